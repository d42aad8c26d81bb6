import { expect, test } from "vitest";
import { Round } from "../../../src/ports/round.ts";

test("a task that throws keeps none of the others from running, nor the rounds to come", () => {
  const round = new Round();
  const ran: string[] = [];
  expect(round.add(() => ran.push("first"))).toBe(true);
  const broken = () => {
    round.add(() => ran.push("added"));
    throw new Error("no room");
  };
  expect(round.add(broken)).toBe(false);
  round.add(() => ran.push("last"));
  expect(() => round.run()).toThrow("no room");
  expect(ran).toEqual(["first", "last", "added"]);
  expect(round.add(() => ran.push("next round"))).toBe(true);
  round.run();
  expect(ran.at(-1)).toBe("next round");
});
