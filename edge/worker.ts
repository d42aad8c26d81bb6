import { Hono } from "hono";
import { refusalOf } from "./access.ts";
import { broker, brokerNames, cluster, type Env, nameServer } from "./env.ts";
import { rest } from "./rest.ts";
import { failure } from "./upgrade.ts";

export { BrokerObject } from "./broker-object.ts";
export { NameServerObject } from "./name-server-object.ts";

/**
 * The Worker in front of the objects. Clients speak remoting over WebSocket with `/name-server`, whose routes name the brokers
 * `/brokers/<name>`; others use the REST calls below `/topics`.
 */
const app = new Hono<{ Bindings: Env }>();

app.onError((error) => failure(error));
app.notFound((context) => context.json({ code: "INVALID_PARAMETER", message: "there is no such path" }, 404));

app.use(async (context, next) => {
  const refusal = await refusalOf(context.req.raw, context.env.TOKEN);
  if (refusal !== undefined) return context.json({ code: "NO_PERMISSION", message: refusal }, 401);
  return next();
});

app.get("/", (context) => context.json({ name: "wasmq", cluster, brokers: brokerNames(context.env) }));

app.get("/name-server", (context) => nameServer(context.env).fetch(context.req.raw));

for (const path of ["/brokers/:name", "/brokers/:name/export", "/brokers/:name/import"]) {
  app.all(path, async (context) => {
    const name = context.req.param("name") ?? "";
    // Any name would make an object.
    if (!brokerNames(context.env).includes(name)) {
      return context.json({ code: "INVALID_PARAMETER", message: `there is no broker ${name}` }, 404);
    }
    return broker(context.env, name).fetch(context.req.raw);
  });
}

app.route("/topics", rest);

export default app;
