import { writeFile } from "node:fs/promises";
import { json, RemotingClient } from "../../lib/remoting-client.ts";
import { openSocket } from "../../lib/socket-wire.ts";
import type { AdminTool } from "./admin-tool.ts";
import { type Command, liveCommands, makingCommands, offlineCommands, type Place } from "./commands.ts";
import { comparable } from "./comparable.ts";

const messages = 8;
/** Three are given to the consumer directly, and all a second time when its offsets are reset. */
const consumed = 2 * messages + 3;

/** Runs all commands on one broker that is new; the lines that each printed, in the order of `allCommands`. */
export async function runAll(tool: AdminTool, namesrv: string): Promise<string[][]> {
  const lines: string[][] = [];
  let place: Place = {
    namesrv,
    broker: await brokerAddress(namesrv),
    ids: [],
    offsetIds: [],
    clientId: "",
    file: (name) => tool.file(name),
  };
  const run = async (commands: readonly Command[]): Promise<void> => {
    for (const { words, masks } of commands) lines.push(comparable((await tool.run(words)).printed, place, masks));
  };
  const own = async (...words: string[]): Promise<string> => {
    const { printed } = await tool.run(words);
    if (printed.includes("Exception")) throw new Error(`${words.join(" ")}: ${printed}`);
    return printed.trim();
  };
  const topics = [{ topicName: "Listed", readQueueNums: 2, writeQueueNums: 2, perm: 6 }];
  await writeFile(tool.file("topics.json"), JSON.stringify(topics));
  await writeFile(tool.file("groups.json"), JSON.stringify([{ groupName: "ListedGroup", retryMaxTimes: 5 }]));
  await run(makingCommands(place));
  const sent = await own("@produce", namesrv, "Admin", String(messages));
  const ids = sent.split("\n").map((line) => line.split(" "));
  await own("@consume", namesrv, "AdminGroup", "Admin", String(messages));
  const clientId = await own("@clientId");
  place = { ...place, ids: ids.map(([id]) => id!), offsetIds: ids.map(([, id]) => id!), clientId };
  await run(liveCommands(place));
  await own("@consumed", String(consumed));
  await own("@stop");
  await run(offlineCommands(place));
  return lines;
}

async function brokerAddress(namesrv: string): Promise<string> {
  const client = await RemotingClient.open((events) => openSocket(Number(namesrv.split(":")[1]), events));
  const { brokerDatas } = json(await client.request(105, { topic: "TBW102", acceptStandardJsonOnly: "true" })) as {
    brokerDatas: { brokerAddrs: Record<string, string> }[];
  };
  client.close();
  return brokerDatas[0]!.brokerAddrs["0"]!;
}
