import type { HeaderCodec } from "./header.ts";
import { jsonHeaders } from "./header-json.ts";
import { rocketmqHeaders } from "./header-rocketmq.ts";

/** By serialize type. */
export const headerCodecs: readonly (HeaderCodec | undefined)[] = [jsonHeaders, rocketmqHeaders];
