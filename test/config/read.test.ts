import { expect, test } from "vitest";
import { brokerKeys, nameServerKeys } from "../../src/config/apache-keys.ts";
import { brokerPromises, brokerSettings } from "../../src/config/broker-settings.ts";
import { nameServerPromises, nameServerSettings } from "../../src/config/name-server-settings.ts";
import { readConfiguration } from "../../src/config/read.ts";
import { effective } from "../../src/config/setting.ts";
import { configFileBytesMax } from "../../src/limits.ts";
import { parseProperties, printProperty } from "../../src/ports/properties.ts";

const ofBroker = { settings: brokerSettings, promises: brokerPromises, known: brokerKeys };

function read(text: string) {
  return readConfiguration(ofBroker, { name: "broker.conf", bytes: Buffer.from(text, "latin1") });
}

test("the broker.conf of Apache's distribution", () => {
  const shipped = `# Licensed to the Apache Software Foundation (ASF)

brokerClusterName = DefaultCluster
brokerName = broker-a
brokerId = 0
deleteWhen = 04
fileReservedTime = 48
brokerRole = ASYNC_MASTER
flushDiskType = ASYNC_FLUSH
`;
  expect(read(shipped)).toMatchObject({
    values: {
      brokerClusterName: "DefaultCluster",
      brokerName: "broker-a",
      deleteWhen: "04",
      fileReservedTime: 48,
      flushDiskType: "ASYNC_FLUSH",
    },
    meaningless: [],
    unknown: [],
  });
});

test("watermarks are kept within RocketMQ's bounds, and hours of deleteWhen are hours", () => {
  const values = (text: string) => read(text).values;
  expect(values("diskMaxUsedSpaceRatio=99\ndiskSpaceCleanForciblyRatio=99\ndiskSpaceWarningLevelRatio=99")).toEqual({
    diskMaxUsedSpaceRatio: 95,
    diskSpaceCleanForciblyRatio: 85,
    diskSpaceWarningLevelRatio: 90,
  });
  expect(values("diskMaxUsedSpaceRatio=1\ndiskSpaceCleanForciblyRatio=1\ndiskSpaceWarningLevelRatio=1")).toEqual({
    diskMaxUsedSpaceRatio: 10,
    diskSpaceCleanForciblyRatio: 30,
    diskSpaceWarningLevelRatio: 35,
  });
  expect(values("diskSpaceWarningLevelRatio=80")).toEqual({ diskSpaceWarningLevelRatio: 80 });
  for (const right of ["04", "4", "00;12;23", "04;"])
    expect(values(`deleteWhen=${right}`)).toEqual({ deleteWhen: right });
  for (const wrong of ["24", "04,05", "", "4am", "04;;05", "-1"]) {
    expect(() => read(`deleteWhen=${wrong}`)).toThrow(/broker.conf:1: deleteWhen is hours from 00 to 23/);
  }
  expect(() => read("diskMaxUsedSpaceRatio=101")).toThrow(/whole number of percent/);
  expect(() => read("fileReservedTime=-1")).toThrow(/fileReservedTime is a whole number/);
});

test("Java's properties: comments, separators, escapes, lines that go on, the later of two", () => {
  const text = [
    "! a comment",
    "   # another \\",
    "brokerName:first",
    "brokerName\t=  sec\\u006fnd  ",
    "namesrvAddr = 10.0.0.1:9876;\\",
    "   10.0.0.2:9876",
    "listen\\",
    "  Port 10999",
    "messageDelayLevel=1s  5s\t1h",
    "storePathRootDir=C:\\\\store\\ one",
    "",
    "regionId=",
    "regionId=eu-1",
  ].join("\r\n");
  const { values, places } = read(text);
  expect(values).toEqual({
    brokerName: "second",
    namesrvAddr: "10.0.0.1:9876;10.0.0.2:9876",
    listenPort: 10_999,
    messageDelayLevel: "1s  5s\t1h",
    storePathRootDir: "C:\\store one",
    regionId: "eu-1",
  });
  expect(places.get("listenPort")).toBe("broker.conf:7");
});

test("properties are printed so that they read the same", () => {
  const all: [string, string][] = [
    ["plain", "value"],
    ["with = and : and #", " leading, trailing "],
    ["größe", "tab\tline\nback\\slash €"],
  ];
  const text = all.map(([key, value]) => printProperty(key, value)).join("\n");
  expect(parseProperties(Buffer.from(text, "latin1")).map(({ key, value }) => [key, value])).toEqual(all);
});

test("what can't be is refused with file, line and key", () => {
  const refused: [string, string][] = [
    ["listenPort=http", 'broker.conf:1: listenPort is a whole number from 0 to 65535, not "http"'],
    ["\n\nlistenPort=65536", 'broker.conf:3: listenPort is a whole number from 0 to 65535, not "65536"'],
    ["autoCreateTopicEnable=yes", 'broker.conf:1: autoCreateTopicEnable is true or false, not "yes"'],
    ["flushDiskType=sync", 'broker.conf:1: flushDiskType is ASYNC_FLUSH or SYNC_FLUSH, not "sync"'],
    ["brokerName=a b", 'broker.conf:1: brokerName is a name of 1 to 127 of %|a-zA-Z0-9_-, not "a b"'],
    ["messageDelayLevel=1s 2x", 'broker.conf:1: messageDelayLevel is delays such as 1s 5m 2h 1d, not "1s 2x"'],
    ["namesrvAddr=host", 'broker.conf:1: namesrvAddr is HOST:PORT, several of them with ; between, not "host"'],
    ["brokerRole=SLAVE", 'broker.conf:1: brokerRole is "ASYNC_MASTER" here: this broker has no slaves and is none'],
    ["aclEnable=true", 'broker.conf:1: aclEnable is "false" here: this broker serves whoever reaches it'],
    ["storeType=defaultRocksDB", 'broker.conf:1: storeType is "default" here: the store is one of files'],
  ];
  for (const [text, message] of refused) {
    expect(() => read(text), text).toThrow(expect.objectContaining({ code: "INVALID_PARAMETER", message }));
  }
  expect(() => read("a\0b")).toThrow(/is no properties file/);
  expect(() => read("#".repeat(configFileBytesMax + 1))).toThrow(/is no properties file/);
});

test("keys of Apache's without a meaning here, and those that nobody knows", () => {
  const text =
    "sendMessageThreadPoolNums=16\ntimerSkipUnknownError=true\nlistenport=1\nconstructor=x\norderMessageEnable=true";
  expect(read(text)).toMatchObject({
    values: {},
    meaningless: ["sendMessageThreadPoolNums", "timerSkipUnknownError"],
    unknown: ["listenport", "constructor", "orderMessageEnable"],
  });
  const ofNameServer = { settings: nameServerSettings, promises: nameServerPromises, known: nameServerKeys };
  expect(readConfiguration(ofNameServer, { name: "namesrv.conf", bytes: Buffer.from(text) })).toMatchObject({
    values: { orderMessageEnable: true },
    meaningless: [],
    unknown: ["sendMessageThreadPoolNums", "timerSkipUnknownError", "listenport", "constructor"],
  });
});

test("every setting that is gone by here is one of Apache's, and its default reads as itself", () => {
  for (const [settings, promises, known] of [
    [brokerSettings, brokerPromises, brokerKeys],
    [nameServerSettings, nameServerPromises, nameServerKeys],
  ] as const) {
    for (const key of [...Object.keys(settings), ...Object.keys(promises)]) expect(known, key).toContain(key);
    for (const [key, { standard, read: readOne }] of Object.entries(settings)) {
      if (standard !== undefined) expect(readOne(String(standard)), key).toBe(standard);
    }
  }
  expect(brokerKeys.size + nameServerKeys.size).toBeGreaterThan(500);
});

test("what is said holds, and else what is standard", () => {
  expect(effective(nameServerSettings, { orderMessageEnable: true, listenPort: 0 })).toMatchObject({
    orderMessageEnable: true,
    enableTopicList: true,
    listenPort: 0,
  });
});
