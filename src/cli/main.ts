#!/usr/bin/env node
import { parseArgs } from "node:util";
import { start, startOptions } from "./start.ts";
import { usage } from "./usage.ts";

/** A command that was called wrongly ends with this code; one that failed ends with 1. */
const exitUsage = 2;

async function main(args: readonly string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const command = named ? args[0] : "start";
  if (command !== "start") {
    console.error(`wasmq: there is no command ${command}\n\n${usage}`);
    return exitUsage;
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(named ? args.slice(1) : args);
  } catch (error) {
    console.error(`wasmq: ${error instanceof Error ? error.message : error}\n\n${usage}`);
    return exitUsage;
  }
  if (parsed.values.help) {
    console.log(usage);
    return 0;
  }
  return start(parsed.values);
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: startOptions, allowPositionals: false });
}

process.exitCode = await main(process.argv.slice(2));
