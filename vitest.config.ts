import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

/** What any JavaScript runtime can run; the rest needs files, sockets or child processes and runs on Node alone. */
const everywhere = [
  "test/broker/**/*.test.ts",
  "test/core/**/*.test.ts",
  "test/store/**/*.test.ts",
  "test/archive/**/*.test.ts",
  "test/hosts/memory/**/*.test.ts",
  "test/client/*.test.ts",
];

/** That a test hangs is seen; that a machine is slow fails none. */
const testTimeout = 60_000;

export default defineConfig({
  test: {
    api: { host: "127.0.0.1" },
    // Of each project: most tests wait for something most of the time, and a machine of two cores would run one file after the other.
    maxWorkers: 2,
    // With reporters of its own on the command line, a run names this one there as well (.ci/run).
    reporters: ["default", "./test/counts/reporter.ts"],
    projects: [
      {
        test: {
          name: "node",
          environment: "node",
          testTimeout,
          include: ["test/**/*.test.ts"],
          // Run in the page or the Worker itself; what drives them from outside is in folders below.
          exclude: ["test/hosts/browser/*.test.ts", "test/hosts/durable-object/*.test.ts", "test/interop/**"],
        },
      },
      {
        test: {
          name: "interop",
          environment: "node",
          testTimeout,
          include: ["test/interop/**/*.test.ts"],
          // Alone, and one file after the other: with more JVMs on two cores Apache's broker and clients miss their own deadlines.
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
        },
      },
      {
        plugins: [
          cloudflareTest({
            main: "./test/hosts/durable-object/worker.ts",
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { durableObjects: { TEST: { className: "TestObject", useSQLite: true } } },
          }),
        ],
        test: { name: "workerd", testTimeout, include: [...everywhere, "test/hosts/durable-object/*.test.ts"] },
      },
      {
        // Met late, a dependency makes the page load again in the middle of a test.
        optimizeDeps: { include: ["fflate"] },
        test: {
          name: "browser",
          testTimeout,
          include: [...everywhere, "test/hosts/browser/*.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
                args: [
                  "--no-sandbox",
                  "--disable-gpu",
                  "--disable-quic",
                  "--no-first-run",
                  "--disable-background-networking",
                  "--disable-component-update",
                  "--disable-sync",
                ],
              },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
