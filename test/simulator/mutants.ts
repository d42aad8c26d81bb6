/** Stores that are broken on purpose, to see that the checkers notice. */
import { readFile } from "node:fs/promises";
import { main } from "assemblyscript/asc";
import type { StorageWrite } from "../../src/ports/log-storage.ts";
import { SimulatedStorage } from "./storage.ts";

/** A sync of the CommitLog is left out. */
export class SkipsSync extends SimulatedStorage {
  override sync(files: readonly string[]): void | Promise<void> {
    return super.sync(files.filter((file) => !file.startsWith("commitlog/")));
  }
}

/** A write of the CommitLog has ended before the system has its bytes. */
export class AcksEarly extends SimulatedStorage {
  override write(batch: readonly StorageWrite[]): void | Promise<void> {
    if (!batch[0]?.file.startsWith("commitlog/")) return super.write(batch);
    const copies = batch.map(({ file, at, bytes }) => ({ file, at, bytes: bytes.slice() }));
    this.loop!.after(1, () => {
      if (!this.isDead) void super.write(copies);
    });
  }
}

/** The core, built without the check of a record's CRC. */
export async function coreWithoutCrc(): Promise<WebAssembly.Module> {
  const check = "  if (!crcHolds(at)) return BAD_CRC;\n";
  let built: Uint8Array | undefined;
  let isPatched = false;
  const { error, stderr } = await main(
    ["assembly/index.ts", "--config", "assembly/asconfig.json", "--outFile", "core.wasm", "--textFile", "core.wat"],
    {
      async readFile(name, base) {
        const text = await readFile(
          new URL(`../../${base === "." ? "" : `${base}/`}${name}`, import.meta.url),
          "utf8",
        ).catch(() => null);
        if (text?.includes(check)) isPatched = true;
        return text?.replace(check, "") ?? null;
      },
      writeFile(name, contents) {
        if (name.endsWith("core.wasm")) built = contents as Uint8Array;
      },
      listFiles: () => null,
    },
  );
  if (error !== null || built === undefined) throw new Error(`the core was not built: ${stderr.toString()}`);
  if (!isPatched) throw new Error("the check of the CRC was not found in assembly/");
  return new WebAssembly.Module(built as Uint8Array<ArrayBuffer>);
}
