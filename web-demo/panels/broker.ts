import type { App } from "../app.ts";
import { type BrokerStatus, brokerName } from "../demo-channel.ts";
import { besideHeading, bytesText, element, panel, say } from "../dom.ts";

const storageText = { opfs: "Origin private file system (OPFS)", indexeddb: "IndexedDB" };

const flushText = { async: "ASYNC_FLUSH", sync: "SYNC_FLUSH" };

/** What the host promises of each. */
const ackText = {
  opfs: {
    async:
      "the operating system has the message. Closing the tab or killing the browser loses nothing; a power cut may lose the last half second.",
    sync: "the browser has flushed the message to the file.",
  },
  indexeddb: {
    async:
      "a relaxed transaction with the message has ended: the operating system has it. A power cut may lose the last half second.",
    sync: "a strict transaction with the message has ended: the browser says that the medium has it.",
  },
};

const tabLock = `${brokerName}:tab:`;

/** Where the broker is and what it promises. */
export function brokerPanel({ tab, broker, channel, watch, report }: App): HTMLElement {
  const leader = element("dd", { id: "leader" }, "starting…");
  const tabs = element("dd", { id: "tabs" });
  const storage = element("dd", { id: "storage" }, "…");
  const used = element("dd", { id: "used" }, "…");
  const flush = element("dd", { id: "flush" }, "…");
  const ack = element("dd", { id: "ack" }, "…");
  const rows: readonly (readonly [string, HTMLElement])[] = [
    ["Broker", leader],
    ["Tabs", tabs],
    ["Storage", storage],
    ["Used", used],
    ["Flush", flush],
    ["A send is answered once", ack],
  ];
  const download = element("button", { type: "button" }, "Download the store (.tar)");
  const section = panel(
    "broker",
    "Broker",
    element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), value])),
  );
  besideHeading(section, download);

  let status: BrokerStatus | undefined;
  const show = async (): Promise<void> => {
    const [locks, estimate] = await Promise.all([navigator.locks.query(), navigator.storage.estimate()]);
    const open = (locks.held ?? []).flatMap(({ name }) =>
      name?.startsWith(tabLock) ? [name.slice(tabLock.length)] : [],
    );
    say(tabs, `${open.length} open, this one is ${tab}`);
    say(used, `${bytesText(estimate.usage ?? 0)} of ${bytesText(estimate.quota ?? 0)} that the browser gives`);
    if (status === undefined || !open.includes(status.tab)) {
      say(leader, "being started…");
      // Its first word may have come before this tab listened.
      channel.post({ statusAsked: true });
      return;
    }
    say(leader, status.tab === tab ? "in this tab" : `in ${status.tab}`);
    say(storage, storageText[status.storageKind]);
    say(flush, flushText[status.flush]);
    say(ack, ackText[status.storageKind][status.flush]);
  };
  const showSoon = (): void => {
    show().catch((error: unknown) => report(error, "looking at the tabs"));
  };

  // Given back by the browser when the tab is gone, however it went.
  navigator.locks
    .request(tabLock + tab, () => {
      showSoon();
      return new Promise<void>(() => {});
    })
    .catch((error: unknown) => report(error, "joining the tabs"));

  channel.listen((message) => {
    if ("status" in message) {
      status = message.status;
      showSoon();
      watch.soon();
    }
  });
  channel.post({ statusAsked: true });
  watch.onChange(showSoon);
  download.addEventListener("click", () => {
    new Response(broker.exportStore()).blob().then(save, (error: unknown) => report(error, "export"));
  });
  return section;
}

function save(archive: Blob): void {
  const url = URL.createObjectURL(archive);
  element("a", { href: url, download: "wasmq-store.tar" }).click();
  // Once the browser has begun to read it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
