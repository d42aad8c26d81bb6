import { codeOf, messageOf } from "../app.ts";
import type { DemoChannel } from "../demo-channel.ts";
import { besideHeading, element, panel, timeText } from "../dom.ts";

export interface Trouble {
  readonly element: HTMLElement;
  readonly show: (code: string, message: string) => void;
  readonly report: (error: unknown, what: string) => void;
}

const rowsMax = 20;

/** What went wrong, here and in the broker, each with its stable code. Not there while nothing has. */
export function troublePanel(channel: DemoChannel): Trouble {
  const list = element("ol", { class: "trouble", role: "log", "aria-labelledby": "trouble-title" });
  const clear = element("button", { type: "button" }, "Clear");
  const section = panel("trouble", "Trouble", list);
  besideHeading(section, clear);
  section.hidden = true;
  let last = { text: "", times: 0, count: element("span") };

  const show = (code: string, message: string): void => {
    const text = `${code}: ${message}`;
    if (text === last.text && !section.hidden) {
      last.times++;
      last.count.textContent = ` (${last.times} times)`;
      return;
    }
    last = { text, times: 1, count: element("span") };
    list.append(
      element(
        "li",
        {},
        element("time", {}, timeText(Date.now())),
        " ",
        element("code", {}, code),
        ` ${message}`,
        last.count,
      ),
    );
    if (list.children.length > rowsMax) list.firstElementChild!.remove();
    section.hidden = false;
  };

  clear.addEventListener("click", () => {
    list.replaceChildren();
    section.hidden = true;
  });
  channel.listen((message) => {
    if ("trouble" in message) show(message.trouble.code, message.trouble.message);
  });
  return { element: section, show, report: (error, what) => show(codeOf(error), `${what}: ${messageOf(error)}`) };
}
