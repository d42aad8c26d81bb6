import { type BrowserBrokerOptions, startInBrowser } from "../../../../src/hosts/browser/index.ts";

await startInBrowser({
  ...(JSON.parse(self.name) as BrowserBrokerOptions),
  telemetry: { log: (level, event, fields) => console.log(level, event, JSON.stringify(fields ?? {})) },
});
