/** The WebAssembly core as a compiled module, streamed from where the package, or a bundler, has the file. */
export async function loadCoreModule(): Promise<WebAssembly.Module> {
  return WebAssembly.compileStreaming(fetch(new URL("../../../build/core.wasm", import.meta.url)));
}
