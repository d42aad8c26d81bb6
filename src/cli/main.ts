#!/usr/bin/env node
import { parseArgs } from "node:util";
import { check, checkOptions, exitCheckUsage } from "./check.ts";
import { exportOptions, exportTo } from "./export.ts";
import { exitUsage } from "./failure.ts";
import { importFrom, importOptions } from "./import.ts";
import { broker, brokerOptions, namesrv, namesrvOptions, start, startOptions } from "./serve.ts";
import { usage } from "./usage.ts";

interface Parsed {
  readonly values: { readonly [name: string]: string | boolean | undefined };
  readonly positionals: readonly string[];
}

/** Each command's options, and what it does with them; it gives the exit code. */
const commands = {
  start: { options: startOptions, allowPositionals: false, run: start },
  namesrv: { options: namesrvOptions, allowPositionals: false, run: namesrv },
  broker: { options: brokerOptions, allowPositionals: false, run: broker },
  export: { options: exportOptions, allowPositionals: true, run: exportTo },
  import: { options: importOptions, allowPositionals: true, run: importFrom },
  check: { options: checkOptions, allowPositionals: true, run: check },
} as const;

async function main(args: readonly string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const name = named ? args[0]! : "start";
  if (!Object.hasOwn(commands, name)) {
    console.error(`wasmq: there is no command ${name}\n\n${usage}`);
    return exitUsage;
  }
  const { options, allowPositionals, run } = commands[name as keyof typeof commands];
  let parsed: Parsed;
  try {
    parsed = parseArgs({ args: args.slice(named ? 1 : 0), options: { ...options }, allowPositionals }) as Parsed;
  } catch (error) {
    console.error(`wasmq: ${error instanceof Error ? error.message : error}\n\n${usage}`);
    return name === "check" ? exitCheckUsage : exitUsage;
  }
  if (parsed.values["help"]) {
    console.log(usage);
    return 0;
  }
  return run(parsed.values, parsed.positionals);
}

process.exitCode = await main(process.argv.slice(2));
