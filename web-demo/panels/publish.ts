import { type App, codeOf, messageOf } from "../app.ts";
import { element, panel } from "../dom.ts";

/** The first levels of RocketMQ's messageDelayLevel; the others are minutes and hours. */
const delays = ["no delay", "1 s", "5 s", "10 s", "30 s", "1 min"];

const burstMax = 10_000;
/** Sends under way at once: enough to fill the broker's batches, and what is shown stays close to what is done. */
const inFlightMax = 256;

/** A form that sends one message, or a burst of them. */
export function publishPanel({ client, settings, watch, report }: App): HTMLElement {
  const topic = element("input", {
    name: "topic",
    required: "",
    value: settings.topics.at(-1) ?? "Demo",
    maxlength: "127",
  });
  const tag = element("input", { name: "tag", value: "TagA" });
  const key = element("input", { name: "key" });
  const body = element("textarea", { name: "body", rows: "2" }, "Hello");
  const delay = element("select", { name: "delay" });
  delay.append(...delays.map((text, level) => element("option", { value: String(level) }, text)));
  const count = element("input", {
    name: "count",
    type: "number",
    min: "1",
    max: String(burstMax),
    value: "1",
    required: "",
  });
  const status = element("output", { class: "status" });
  for (const input of [topic, tag, key]) {
    input.autocomplete = "off";
    input.spellcheck = false;
  }
  const submit = element("button", { type: "submit", class: "primary" }, "Publish");
  const form = element(
    "form",
    { class: "fields" },
    field("Topic", topic),
    field("Tag", tag),
    field("Key", key),
    field("Body", body, "wide"),
    field("Delay", delay),
    field("Messages", count),
    submit,
    status,
  );

  const producer = client.producer({ group: "page-producer", sendTimeoutMs: 15_000 });

  const publish = async (): Promise<void> => {
    const messages = Number(count.value);
    const message = {
      topic: topic.value.trim(),
      ...(tag.value.trim() === "" ? {} : { tag: tag.value.trim() }),
      ...(key.value.trim() === "" ? {} : { keys: [key.value.trim()] }),
      ...(delay.value === "0" ? {} : { delayLevel: Number(delay.value) }),
    };
    const text = body.value;
    const began = performance.now();
    let stored = 0;
    let failure: unknown;
    let last = "";
    const inFlight = new Set<Promise<void>>();
    for (let i = 0; i < messages && failure === undefined; i++) {
      const sent = producer.send({ ...message, body: messages === 1 ? text : `${text} #${i + 1}` }).then(
        ({ queue, queueOffset }) => {
          stored++;
          last = `queue ${queue.queueId}, offset ${queueOffset}`;
          // Groups subscribe to what is there.
          settings.addTopic(message.topic);
        },
        (error: unknown) => {
          failure ??= error;
        },
      );
      inFlight.add(sent);
      void sent.then(() => inFlight.delete(sent));
      if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    watch.soon();
    const tookMs = Math.max(1, Math.round(performance.now() - began));
    if (failure !== undefined) {
      report(failure, "publish");
      status.textContent = `${stored} of ${messages} stored. ${codeOf(failure)}: ${messageOf(failure)}`;
    } else if (message.delayLevel !== undefined) {
      status.textContent = `${stored} stored, delivered in ${delays[message.delayLevel]}`;
    } else {
      status.textContent = messages === 1 ? `1 stored: ${last}` : `${stored} stored in ${tookMs} ms`;
    }
  };

  let isPublishing = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Not disabled: who uses the keyboard would lose the place.
    if (isPublishing) return;
    isPublishing = true;
    submit.setAttribute("aria-disabled", "true");
    status.textContent = "Publishing…";
    void publish().finally(() => {
      isPublishing = false;
      submit.removeAttribute("aria-disabled");
    });
  });
  return panel("publish", "Publish", form);
}

function field(label: string, control: HTMLElement, className = ""): HTMLLabelElement {
  return element("label", { class: `field ${className}`.trim() }, element("span", {}, label), control);
}
