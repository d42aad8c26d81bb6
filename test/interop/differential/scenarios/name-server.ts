import type { Request, Step } from "../request.ts";
import { f, type Template, valid, variantsOf } from "../template.ts";
import { encode } from "./vocabulary.ts";

const namesrv = { to: "namesrv" } as const;
const kv = { namespace: f.text("ns"), key: f.text("key") };
const broker = {
  brokerName: f.text("broker-z"),
  brokerAddr: f.text("10.0.0.1:10911"),
  clusterName: f.text("OtherCluster"),
  brokerId: f.long("0"),
};

const asking: readonly Template[] = [
  { code: 105, fields: { topic: f.topic("Plain"), acceptStandardJsonOnly: f.flag("true") } },
  { code: 106 },
  { code: 206 },
  { code: 224, fields: { cluster: f.text("DefaultCluster") } },
  { code: 304 },
  { code: 311 },
  { code: 312 },
  { code: 313 },
  { code: 319, rest: { answers: "properties" } },
  { code: 901, fields: { clusterName: f.text("DefaultCluster"), brokerName: f.text("broker-a") } },
];

const changing: readonly Template[] = [
  { code: 100, fields: { ...kv, value: f.text("value") } },
  { code: 101, fields: kv },
  { code: 219, fields: { namespace: f.text("ns") } },
  { code: 102, fields: kv },
  {
    code: 103,
    fields: {
      ...broker,
      haServerAddr: f.text("10.0.0.1:10912"),
      heartbeatTimeoutMillis: f.asItIs("600000"),
      enableActingMaster: f.flag("false"),
      compressed: f.flag("false"),
      bodyCrc32: f.int("0"),
    },
    json: {
      filterServerList: [],
      topicConfigSerializeWrapper: {
        dataVersion: { counter: 1, stateVersion: 0, timestamp: 1_600_000_000_000 },
        topicConfigTable: {
          Elsewhere: {
            topicName: "Elsewhere",
            readQueueNums: 4,
            writeQueueNums: 4,
            perm: 6,
            topicFilterType: "SINGLE_TAG",
            topicSysFlag: 0,
            order: false,
          },
        },
      },
    },
  },
  { code: 322, fields: broker, json: { counter: 1, stateVersion: 0, timestamp: 1_600_000_000_000 } },
  { code: 904, fields: broker },
  { code: 205, fields: { brokerName: f.text("broker-z") } },
  { code: 327, fields: { brokerName: f.text("broker-z") } },
  { code: 216, fields: { topic: f.topic("Elsewhere"), clusterName: f.text() } },
  {
    code: 217,
    fields: { topic: f.topic("Registered") },
    json: { brokerDatas: [], queueDatas: [], filterServerTable: {} },
  },
  { code: 104, fields: broker },
];

export function* nameServer(): Generator<Step> {
  for (const template of asking) yield* toNameServer(template);
  for (const template of changing) {
    yield* toNameServer(template);
    yield { ...valid({ code: 206, rest: namesrv }), variant: `after ${template.code}` };
    yield { ...valid({ code: 106, rest: namesrv }), variant: `after ${template.code}` };
  }
  for (const [variant, body] of [
    ["of nothing", ""],
    ["of the place of the config file", "configStorePath=/tmp/x\n"],
    ["that is none", "x"],
  ] as const) {
    yield { ...valid({ code: 318, rest: namesrv }), variant, body: encode(body) };
  }
}

function* toNameServer(template: Template): Generator<Request> {
  yield* variantsOf({ ...template, rest: { ...template.rest, ...namesrv } });
}
