import module from "../../../build/core.wasm";

/** The WebAssembly core as a compiled module. Workers refuse to compile from bytes, so the bundler hands it over compiled. */
export async function loadCoreModule(): Promise<WebAssembly.Module> {
  return module;
}
