import { readFile } from "node:fs/promises";

/** The WebAssembly core as a compiled module, read from the file that the build wrote. */
export async function loadCoreModule(): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(await readFile(new URL("../../../build/core.wasm", import.meta.url)));
}
