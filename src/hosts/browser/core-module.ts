import url from "../../../build/core.wasm?url";

/** The WebAssembly core as a compiled module, streamed from where the bundler put the file. */
export async function loadCoreModule(): Promise<WebAssembly.Module> {
  return WebAssembly.compileStreaming(fetch(url));
}
