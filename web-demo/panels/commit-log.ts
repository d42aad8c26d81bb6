import type { ReceivedMessage } from "../../src/client/index.ts";
import type { App } from "../app.ts";
import { besideHeading, element, panel, say, timeText } from "../dom.ts";
import { type Place, recordPage } from "../record-pages.ts";

const recordsMax = 20;
const columns = ["Physical offset", "Size", "Topic", "Queue", "Queue offset", "Tags", "Born", "Stored"];

/** The records of the CommitLog, newest first, a page at a time. The first page follows what comes. */
export function commitLogPanel({ client, watch, report }: App): HTMLElement {
  const rows = element("tbody");
  const newer = element("button", { type: "button" }, "Newer");
  const older = element("button", { type: "button" }, "Older");
  const where = element("span", { class: "hint", role: "status" });
  const table = element(
    "table",
    { class: "records" },
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
    rows,
  );
  const section = panel(
    "commit-log",
    "CommitLog",
    element("div", { class: "scroll", role: "region", "aria-labelledby": "commit-log-title", tabindex: "0" }, table),
    element("p", { class: "hint" }, "Read from the queues that the records are in, the broker's own among them."),
  );
  besideHeading(section, element("div", { class: "pager" }, where, newer, older));

  const consumer = client.pullConsumer({ group: "page" });
  /** Where the pages before the one at hand begin; the first begins where the log ends now. */
  const trail: Place[] = [];
  let next: Place | undefined;
  let isLoading = false;
  let isDue = false;
  /** Where the queues ended when the records were last read. */
  let seen = "";

  const load = async (): Promise<void> => {
    isDue = true;
    if (isLoading) return;
    isLoading = true;
    try {
      while (isDue) {
        isDue = false;
        const place = trail.at(-1) ?? newest();
        const page = await recordPage(consumer, place, recordsMax);
        next = page.older;
        show(page.records);
      }
    } catch (error) {
      report(error, "reading records");
      // The next look at the queues is to bring it again.
      seen = "";
    } finally {
      isLoading = false;
    }
  };

  const newest = (): Place =>
    watch.queues.flatMap(({ queue, endOffset }) => (endOffset === 0 ? [] : [{ queue, beforeOffset: endOffset }]));
  const show = (records: readonly ReceivedMessage[]): void => {
    rows.replaceChildren(...records.map(row));
    newer.disabled = trail.length === 0;
    older.disabled = next === undefined;
    const total = watch.queues.reduce((sum, { endOffset }) => sum + endOffset, 0);
    say(
      where,
      total === 0 ? "no records yet" : `page ${trail.length + 1} of ${Math.ceil(total / recordsMax)}, ${total} records`,
    );
  };

  newer.addEventListener("click", () => {
    trail.pop();
    void load();
  });
  older.addEventListener("click", () => {
    if (next === undefined) return;
    trail.push(next);
    next = undefined;
    void load();
  });
  watch.onChange(() => {
    const now = newest()
      .map(({ beforeOffset }) => beforeOffset)
      .join();
    if (now === seen) return;
    seen = now;
    if (trail.length === 0) void load();
  });
  show([]);
  return section;
}

function row(record: ReceivedMessage): HTMLTableRowElement {
  const cells = [
    String(record.commitLogOffset),
    String(record.storeSizeBytes),
    record.topic,
    String(record.queueId),
    String(record.queueOffset),
    record.tag ?? "",
    timeText(record.bornTimestampMs),
    timeText(record.storeTimestampMs),
  ];
  return element("tr", {}, ...cells.map((text) => element("td", {}, text)));
}
