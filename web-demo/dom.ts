/** An element with its attributes and content; text is text, never markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

/** A part of the page under a heading that names it. */
export function panel(name: string, title: string, ...content: readonly (Node | string)[]): HTMLElement {
  const heading = element("h2", { id: `${name}-title` }, title);
  return element(
    "section",
    { id: name, class: "panel", "aria-labelledby": heading.id },
    element("div", { class: "panel-head" }, heading),
    ...content,
  );
}

/** What a panel has beside its heading. */
export function besideHeading(panel: HTMLElement, ...content: readonly (Node | string)[]): void {
  panel.firstElementChild!.append(...content);
}

/** Changes a text only if it is another, so that nobody is told the same again. */
export function say(where: Element, text: string): void {
  if (where.textContent !== text) where.textContent = text;
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export function timeText(atMs: number): string {
  const time = new Date(atMs);
  return `${time.toLocaleTimeString(undefined, { hour12: false })}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}
