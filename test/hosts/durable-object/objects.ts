import { env } from "cloudflare:workers";
import type { TestObject } from "./worker.ts";

const objects = (env as unknown as { readonly TEST: DurableObjectNamespace<TestObject> }).TEST;

/** An object of its own. */
export function freshObject(): DurableObjectStub<TestObject> {
  return objects.get(objects.newUniqueId());
}
