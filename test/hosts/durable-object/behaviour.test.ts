import { describeBehaviour } from "../../behaviour/behaviour.ts";
import { supportsAll } from "../../behaviour/host.ts";
import { ObjectHosted } from "./object-hosted.ts";

describeBehaviour({
  name: "Durable Object",
  supports: supportsAll,
  async fresh(options) {
    const broker = new ObjectHosted(options);
    await broker.start();
    return broker;
  },
});
