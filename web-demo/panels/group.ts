import type { ConsumeContext, PushConsumer, ReceivedMessage } from "../../src/client/index.ts";
import { type App, codeOf } from "../app.ts";
import type { Consumed } from "../demo-channel.ts";
import { besideHeading, element, panel, say } from "../dom.ts";
import type { GroupMode } from "../settings.ts";

const modes: readonly (readonly [GroupMode, string])[] = [
  ["consume", "Consume"],
  ["fail", "Fail"],
  ["pause", "Pause"],
];

/** A failed message comes again after 1 s: longer pauses, which the broker would choose, are for real failures. */
const retryDelayLevel = 1;
/** The newest of those that came since the page was opened. */
const rowsMax = 1_000;
/** What comes together is shown together. */
const showMs = 50;

/** A group that consumes live: this tab's member of it, and what the members in other tabs tell. */
export function groupPanel(app: App, group: string): HTMLElement {
  const { settings, watch, channel } = app;
  const feed = element("ol", {
    class: "feed",
    tabindex: "0",
    "aria-label": `Messages that ${group} had, newest first`,
  });
  const empty = element("p", { class: "hint" });
  const positions = element("tbody");
  const summary = element("p", { class: "summary" });
  const tags = element("input", { value: settings.group(group).tags, spellcheck: "false", autocomplete: "off" });
  const tagsForm = element("form", { class: "inline" }, element("label", {}, "Tags ", tags));
  const radios = modes.map(([mode, text]) => {
    const radio = element("input", { type: "radio", name: `${group}-mode`, value: mode });
    radio.addEventListener("change", () => settings.setGroup(group, { mode }));
    return { mode, radio, label: element("label", {}, radio, element("span", {}, text)) };
  });
  const section = panel(
    group,
    `Group ${group}`,
    summary,
    element(
      "details",
      {},
      element("summary", {}, "Positions, queue by queue"),
      element(
        "table",
        {},
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            ...["Queue", "Position", "End", "Behind"].map((name) => element("th", { scope: "col" }, name)),
          ),
        ),
        positions,
      ),
      element(
        "p",
        { class: "hint" },
        "Members tell the broker their positions every 5 s, and it writes them within 5 s more: after a reload, messages of that time may come again.",
      ),
    ),
    empty,
    feed,
  );
  const choice = element("fieldset", { class: "modes" }, element("legend", {}, `What ${group} does`));
  choice.append(...radios.map(({ label }) => label));
  besideHeading(section, choice, tagsForm);
  tagsForm.addEventListener("submit", (event) => event.preventDefault());
  tags.addEventListener("change", () => settings.setGroup(group, { tags: tags.value.trim() || "*" }));

  let waiting: Consumed[] = [];
  let count = 0;
  const showRows = (): void => {
    const rows = waiting.slice(-rowsMax).map((consumed) => row(consumed, app.tab));
    waiting = [];
    feed.prepend(...rows.reverse());
    while (feed.children.length > rowsMax) feed.lastElementChild!.remove();
    showState();
    watch.soon();
  };
  const add = (consumed: readonly Consumed[]): void => {
    if (consumed.length === 0) return;
    if (waiting.length === 0) setTimeout(showRows, showMs);
    waiting.push(...consumed);
    count += consumed.length;
    // A hidden tab may have to wait long before it shows anything.
    if (waiting.length > 2 * rowsMax) waiting = waiting.slice(-rowsMax);
  };
  channel.listen((message) => {
    if ("consumed" in message) add(message.consumed.filter((consumed) => consumed.group === group));
  });
  new Member(app, group, add).follow();

  const showState = (): void => {
    const { mode, tags: chosen } = settings.group(group);
    for (const each of radios) each.radio.checked = each.mode === mode;
    if (document.activeElement !== tags) tags.value = chosen;
    const own = watch.queues.filter(({ queue }) => isOf(queue.topic, group, settings.topics));
    const behind = own.reduce((sum, { endOffset, committed }) => sum + endOffset - (committed.get(group) ?? 0), 0);
    say(summary, `${count} ${count === 1 ? "message" : "messages"} since the page was opened, ${behind} behind`);
    feed.hidden = feed.children.length === 0;
    empty.hidden = !feed.hidden;
    say(
      empty,
      settings.topics.length === 0
        ? "Nothing yet: publish a message."
        : mode === "pause"
          ? "Paused: messages wait at the broker."
          : "Nothing new since the page was opened.",
    );
    const rows = own.map(({ queue, endOffset, committed }) => {
      const position = committed.get(group);
      const cells = [
        settings.topics.includes(queue.topic) ? `${queue.topic} ${queue.queueId}` : "retries",
        position === undefined ? "none" : String(position),
        String(endOffset),
        String(endOffset - (position ?? 0)),
      ];
      return element("tr", {}, ...cells.map((text) => element("td", {}, text)));
    });
    positions.replaceChildren(...rows);
  };
  settings.onChange(showState);
  watch.onChange(showState);
  showState();
  return section;
}

function isOf(topic: string, group: string, topics: readonly string[]): boolean {
  return topics.includes(topic) || topic === `%RETRY%${group}`;
}

function row(consumed: Consumed, tab: string): HTMLLIElement {
  const { from, topic, queueId, queueOffset, body, tag, keys, reconsumeTimes, isFailed } = consumed;
  const notes = [
    ...(tag === undefined ? [] : [element("span", { class: "note" }, tag)]),
    ...keys.map((key) => element("span", { class: "note" }, key)),
    ...(reconsumeTimes > 0 ? [element("span", { class: "note retry" }, `retry ${reconsumeTimes}`)] : []),
    ...(isFailed ? [element("span", { class: "note failed" }, "failed")] : []),
    ...(consumed.tab === tab ? [] : [element("span", { class: "note" }, consumed.tab)]),
  ];
  return element(
    "li",
    { "data-queue": `${from}/${queueId}`, "data-offset": String(queueOffset) },
    element("span", { class: "place" }, `${topic} ${from === topic ? queueId : "retry"} @ ${queueOffset}`),
    element("span", { class: "body" }, body),
    element("span", { class: "notes" }, ...notes),
  );
}

const bodyCharsMax = 200;

/** This tab's member of the group: there while the group is not paused, again whenever what it subscribes to changed. */
class Member {
  readonly #app: App;
  readonly #group: string;
  readonly #add: (consumed: readonly Consumed[]) => void;
  #consumer: PushConsumer | undefined;
  /** What the consumer was made for. */
  #subscriptions = "";
  #turn = Promise.resolve();

  constructor(app: App, group: string, add: (consumed: readonly Consumed[]) => void) {
    this.#app = app;
    this.#group = group;
    this.#add = add;
  }

  follow(): void {
    this.#app.settings.onChange(() => this.#follow());
    this.#follow();
  }

  #follow(): void {
    // One after the other; what changed meanwhile is seen by the last.
    this.#turn = this.#turn
      .then(() => this.#settle())
      .catch((error: unknown) => {
        this.#app.report(error, `group ${this.#group}`);
        this.#consumer = undefined;
        // Tags that can't be read are for the user to change.
        if (codeOf(error) === "SUBSCRIPTION_PARSE_FAILED") return;
        this.#subscriptions = "";
        setTimeout(() => this.#follow(), againMs);
      });
  }

  async #settle(): Promise<void> {
    const { client, settings } = this.#app;
    const { mode, tags } = settings.group(this.#group);
    const topics = mode === "pause" ? [] : settings.topics;
    const subscriptions = Object.fromEntries(topics.map((topic) => [topic, tags]));
    const wanted = JSON.stringify(subscriptions);
    if (wanted === this.#subscriptions) return;
    await this.#consumer?.stop();
    this.#consumer = undefined;
    this.#subscriptions = wanted;
    if (topics.length === 0) return;
    this.#consumer = client.pushConsumer({
      group: this.#group,
      subscriptions,
      // A group is new once; from then on it goes on where it was.
      consumeFrom: "FIRST_OFFSET",
      batchMax: 32,
      listener: (messages, context) => this.#consume(messages, context),
    });
    await this.#consumer.start();
  }

  #consume(messages: readonly ReceivedMessage[], context: ConsumeContext): "SUCCESS" | "RECONSUME_LATER" {
    const isFailed = this.#app.settings.group(this.#group).mode === "fail";
    const consumed = messages.map(
      (message): Consumed => ({
        group: this.#group,
        tab: this.#app.tab,
        from: context.queue.topic,
        topic: message.topic,
        queueId: message.queueId,
        queueOffset: message.queueOffset,
        body: decoder.decode(message.body.subarray(0, 4 * bodyCharsMax)).slice(0, bodyCharsMax),
        tag: message.tag,
        keys: message.keys,
        reconsumeTimes: message.reconsumeTimes,
        isFailed,
      }),
    );
    this.#add(consumed);
    this.#app.channel.post({ consumed });
    context.delayLevel = retryDelayLevel;
    return isFailed ? "RECONSUME_LATER" : "SUCCESS";
  }
}

const againMs = 2_000;
const decoder = new TextDecoder();
