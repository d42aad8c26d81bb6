import { defineConfig } from "vite";

export default defineConfig({
  // Links from file to file, so that the page works below any path.
  base: "./",
  worker: { format: "es" },
  build: {
    outDir: "../build/web-demo",
    emptyOutDir: true,
    target: "es2023",
    // The page's policy lets nothing come from a data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // The source and the core are beside this folder.
  server: { host: "127.0.0.1", fs: { allow: [".."] } },
  preview: { host: "127.0.0.1" },
  // Met late, a dependency would make the page load again.
  optimizeDeps: { include: ["fflate", "idb"] },
});
