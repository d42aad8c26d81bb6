import type { Mask } from "./comparable.ts";

/** Where commands are run, and what was made there before. */
export interface Place {
  /** `host:port`. */
  readonly namesrv: string;
  readonly broker: string;
  /** Of the messages that were sent first: their ids, and those of their places. */
  readonly ids: readonly string[];
  readonly offsetIds: readonly string[];
  /** Of the consumer that is online, while one is. */
  readonly clientId: string;
  /** A path for a file of this name. */
  readonly file: (name: string) => string;
}

/** A command of mqadmin, and what of its output is not compared. */
export interface Command {
  readonly words: readonly string[];
  /** Parts of the output that are each broker's own, and what is shown in their place. */
  readonly masks?: readonly Mask[];
  /** All that wasmq prints is to be among what Apache does. */
  readonly isSubset?: boolean;
}

const topic = "Admin";
const group = "AdminGroup";

/** When a group has heard that there is nothing to be tried again, which takes as long as a pull waits. */
const retries: Mask = [/^%RETRY%\S+ +broker-a.*$/gm, ""];
const progress: readonly Mask[] = [[/(Consume TPS:).*/g, "$1 N"], retries];
/** Rates, in columns of a table. */
const rates: Mask = [/( +\d+\.\d+)+/g, " N"];
/** What a group gets twice, as it may while its members share queues out, counts twice. */
const got: Mask = [/^(\S+ +AdminGroup .*) \d+ *$/gm, "$1 N"];
/** What a consumer says of itself changes while it is asked. */
const running: readonly Mask[] = [
  [/(: |= *)\d+(\.\d+)?(ms)?/g, "$1N"],
  [/^(Admin|%RETRY%AdminGroup)( +\d+(\.\d+)?)+ *$/gm, "$1 N"],
  retries,
  [/Lambda\S+/g, "Lambda"],
];
const spent: Mask = [/spentTimeMills=\d+/g, "spentTimeMills=N"];
/** Settings of what only one of the two has, and paths and ports. */
const ownSettings: Mask = [
  /^(storePath\w+|listenPort|authenticationEnabled|authorizationEnabled|migrateAuthFromV1Enabled) *=.*$/gm,
  "",
];

/** Nothing is there yet but the broker: what makes topics and groups. */
export function makingCommands({ namesrv, broker, file }: Place): Command[] {
  const n = ["-n", namesrv];
  const b = [...n, "-b", broker];
  const c = [...n, "-c", "DefaultCluster"];
  return [
    { words: ["updateTopic", ...b, "-t", topic, "-r", "4", "-w", "4"] },
    {
      words: [
        "updateTopic",
        ...b,
        "-t",
        "Fifo",
        "-r",
        "2",
        "-w",
        "2",
        "-o",
        "true",
        "-a",
        "+message.type=FIFO,+reserve.time=7",
      ],
    },
    { words: ["updateTopic", ...b, "-t", "Fifo", "--attributes=-reserve.time"] },
    { words: ["updateTopic", ...b, "-t", "Fifo", "-a", "+queue.type=BatchCQ"] },
    { words: ["updateTopic", ...b, "-t", "Fifo", "-a", "+no.such=1"] },
    { words: ["updateTopic", ...b, "-t", "Fifo", "-a", "+message.type=MIXED"] },
    { words: ["updateTopic", ...b, "-t", "TBW102"] },
    { words: ["updateTopic", ...c, "-t", "Gone", "-r", "1", "-w", "1"] },
    { words: ["updateTopicList", ...b, "-f", file("topics.json")] },
    { words: ["updateTopicPerm", ...b, "-t", "Fifo", "-p", "4"] },
    { words: ["updateSubGroup", ...b, "-g", group] },
    {
      words: [
        "updateSubGroup",
        ...b,
        "-g",
        "Policy",
        "-r",
        "3",
        "-q",
        "2",
        "-p",
        '{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2}}',
      ],
    },
    { words: ["updateSubGroup", ...b, "-g", "Attributes", "--attributes", "+priority.factor=7"] },
    { words: ["updateSubGroup", ...c, "-g", "GoneGroup"] },
    { words: ["updateSubGroupList", ...b, "-f", file("groups.json")] },
    { words: ["updateKvConfig", ...n, "-s", "Space", "-k", "key", "-v", "value"] },
    { words: ["deleteKvConfig", ...n, "-s", "Space", "-k", "key"] },
    { words: ["updateOrderConf", ...n, "-t", "Fifo", "-m", "put", "-v", "broker-a:2"] },
    { words: ["updateOrderConf", ...n, "-t", "Fifo", "-m", "get"] },
    { words: ["updateOrderConf", ...n, "-t", "Fifo", "-m", "delete"] },
    { words: ["setConsumeMode", ...b, "-t", topic, "-g", "Popping", "-m", "POP", "-q", "0"] },
  ];
}

/** Messages are there, and a consumer and a producer are online. */
export function liveCommands({ namesrv, broker, ids, offsetIds, clientId }: Place): Command[] {
  const n = ["-n", namesrv];
  const b = [...n, "-b", broker];
  return [
    { words: ["consumerConnection", ...n, "-g", group] },
    { words: ["consumerConnection", ...b, "-g", "Nobody"] },
    { words: ["producerConnection", ...n, "-g", "Producers", "-t", topic] },
    { words: ["producer", ...b], masks: [[/lastUpdateTimestamp=\d+/g, "lastUpdateTimestamp=TIME"]] },
    { words: ["consumerProgress", ...n, "-g", group], masks: progress },
    { words: ["consumerProgress", ...n, "-g", group, "-t", topic, "-s", "true"], masks: progress },
    { words: ["consumerProgress", ...n], masks: [[/(PUSH +\S+ +)\d+/g, "$1N"]] },
    { words: ["consumerStatus", ...n, "-g", group], masks: running },
    { words: ["consumerStatus", ...n, "-g", group, "-i", clientId], masks: running },
    { words: ["queryMsgById", ...n, "-t", topic, "-i", offsetIds[1]!, "-g", group, "-d", clientId], masks: [spent] },
    { words: ["queryMsgByUniqueKey", ...n, "-t", topic, "-i", ids[2]!, "-g", group, "-d", clientId], masks: [spent] },
    { words: ["@track", namesrv, topic, ids[0]!] },
    { words: ["@directly", namesrv, group, clientId, topic, offsetIds[3]!] },
    { words: ["brokerConsumeStats", ...b], masks: [[/^%RETRY%.*$/gm, ""]] },
    { words: ["brokerConsumeStats", ...b, "-o", "true"] },
    { words: ["queryCq", ...b, "-t", topic, "-q", "0", "-i", "0", "-c", "2", "-g", group] },
    { words: ["resetOffsetByTime", ...n, "-g", group, "-t", topic, "-s", "0"] },
  ];
}

/** Nobody is online any more. */
export function offlineCommands({ namesrv, broker, ids, offsetIds, file }: Place): Command[] {
  const n = ["-n", namesrv];
  const b = [...n, "-b", broker];
  const c = [...n, "-c", "DefaultCluster"];
  return [
    { words: ["topicRoute", ...n, "-t", topic] },
    { words: ["topicRoute", ...n, "-t", topic, "-l"] },
    { words: ["topicRoute", ...n, "-t", "None"] },
    { words: ["topicStatus", ...n, "-t", topic] },
    { words: ["topicStatus", ...n, "-t", "None"] },
    { words: ["topicClusterList", ...n, "-t", topic] },
    { words: ["topicList", ...n] },
    { words: ["topicList", ...c] },
    { words: ["allocateMQ", ...n, "-t", topic, "-i", "10.0.0.1,10.0.0.2"] },
    { words: ["clusterList", ...n], masks: [[/-?\d+(\.\d+)?/g, "N"]] },
    { words: ["clusterList", ...n, "-m"] },
    { words: ["brokerStatus", ...b], masks: [[/( *: .*|_\S+store[^:\s]*)/g, ""]] },
    { words: ["statsAll", ...n], masks: [rates, got] },
    { words: ["statsAll", ...n, "-a", "-t", topic], masks: [rates, got] },
    { words: ["getBrokerConfig", ...b], masks: [ownSettings], isSubset: true },
    { words: ["getNamesrvConfig", ...n], masks: [ownSettings], isSubset: true },
    { words: ["getConsumerConfig", ...n, "-g", group] },
    { words: ["getConsumerConfig", ...n, "-g", "Policy"] },
    { words: ["updateBrokerConfig", ...b, "-k", "autoCreateTopicEnable", "-v", "true"] },
    { words: ["updateBrokerConfig", ...b, "-k", "brokerConfigPath", "-v", "/tmp/x"] },
    { words: ["updateBrokerConfig", ...b, "-k", "storePathRootDir", "-v", "/tmp/x"] },
    { words: ["updateNamesrvConfig", ...n, "-k", "enableTopicList", "-v", "true"] },
    { words: ["queryMsgByKey", ...n, "-t", topic, "-k", "key3"] },
    { words: ["queryMsgByUniqueKey", ...n, "-t", topic, "-i", ids[0]!] },
    { words: ["queryMsgById", ...n, "-t", topic, "-i", offsetIds[0]!] },
    { words: ["queryMsgByOffset", ...n, "-t", topic, "-b", "broker-a", "-i", "1", "-o", "0"] },
    { words: ["queryMsgTraceById", ...n, "-i", ids[0]!] },
    { words: ["printMsg", ...n, "-t", topic] },
    {
      words: [
        "printMsgByQueue",
        ...n,
        "-t",
        topic,
        "-a",
        "broker-a",
        "-i",
        "0",
        "-p",
        "true",
        "-d",
        "true",
        "-f",
        "true",
      ],
    },
    { words: ["queryCq", ...b, "-t", topic, "-q", "0", "-i", "0", "-c", "2"] },
    { words: ["queryCq", ...b, "-t", topic, "-q", "0", "-i", "99"] },
    { words: ["queryCq", ...b, "-t", "None", "-q", "0", "-i", "0"] },
    { words: ["consumerProgress", ...n, "-g", group], masks: progress },
    { words: ["consumerProgress", ...n, "-g", "Nobody"] },
    { words: ["consumerConnection", ...n, "-g", group] },
    { words: ["producerConnection", ...n, "-g", "Producers", "-t", topic] },
    { words: ["producer", ...b] },
    { words: ["consumerStatus", ...n, "-g", group] },
    { words: ["@track", namesrv, topic, ids[0]!] },
    { words: ["resetOffsetByTime", ...n, "-g", group, "-t", topic, "-s", "0"] },
    { words: ["resetOffsetByTime", ...n, "-g", group, "-t", topic, "-s", "now", "-b", broker, "-q", "1", "-o", "1"] },
    { words: ["resetOffsetByTime", ...n, "-g", "Nobody2", "-t", topic, "-s", "0"] },
    { words: ["skipAccumulatedMessage", ...n, "-g", group, "-t", topic] },
    { words: ["cloneGroupOffset", ...n, "-s", group, "-d", "Clone", "-t", topic, "-o", "true"] },
    { words: ["consumerProgress", ...n, "-g", "Clone"] },
    { words: ["cleanExpiredCQ", ...b] },
    { words: ["cleanUnusedTopic", ...b] },
    { words: ["deleteExpiredCommitLog", ...b] },
    { words: ["exportMetadata", ...c, "-f", file("metadata")] },
    { words: ["exportMetadata", ...n, "-b", broker, "-f", file("metadata"), "-t"] },
    { words: ["exportConfigs", ...c, "-f", file("configs")] },
    { words: ["exportMetrics", ...c, "-f", file("metrics")] },
    { words: ["exportPopRecord", ...b, "-d", "true"] },
    {
      words: ["sendMessage", ...n, "-t", topic, "-p", "hello", "-k", "sent", "-c", "TagA", "-b", "broker-a", "-i", "2"],
    },
    { words: ["consumeMessage", ...n, "-t", topic, "-b", "broker-a", "-i", "2", "-o", "0", "-g", "AdminReader"] },
    { words: ["sendMsgStatus", ...n, "-b", "broker-a", "-s", "8", "-c", "2"], masks: [[/rt=\d+ms/g, "rt=N"]] },
    { words: ["checkMsgSendRT", ...n, "-t", topic, "-a", "2", "-s", "8"], masks: [[/(true +|RT: )[\d.]+/g, "$1N"]] },
    { words: ["haStatus", ...b] },
    { words: ["getBrokerEpoch", ...n, "-b", "broker-a"] },
    { words: ["resetMasterFlushOffset", ...b, "-o", "0"] },
    { words: ["getColdDataFlowCtrInfo", ...b] },
    { words: ["updateColdDataFlowCtrGroupConfig", ...b, "-g", group, "-v", "10"] },
    { words: ["removeColdDataFlowCtrGroupConfig", ...b, "-g", group] },
    { words: ["setCommitLogReadAheadMode", ...b, "-m", "0"] },
    { words: ["createUser", ...b, "-u", "user", "-p", "secret"] },
    { words: ["updateUser", ...b, "-u", "user", "-p", "other"] },
    { words: ["getUser", ...b, "-u", "user"] },
    { words: ["listUser", ...b] },
    { words: ["createAcl", ...b, "-s", "User:user", "-r", "Topic:T", "-a", "Pub", "-d", "Allow"] },
    { words: ["updateAcl", ...b, "-s", "User:user", "-r", "Topic:T", "-a", "Sub", "-d", "Allow"] },
    { words: ["getAcl", ...b, "-s", "User:user"] },
    { words: ["listAcl", ...b] },
    { words: ["deleteAcl", ...b, "-s", "User:user"] },
    { words: ["deleteUser", ...b, "-u", "user"] },
    { words: ["copyUser", ...n, "-f", broker, "-t", broker] },
    { words: ["copyAcl", ...n, "-f", broker, "-t", broker] },
    { words: ["getBrokerLiteInfo", ...b] },
    { words: ["getParentTopicInfo", ...n, "-p", topic] },
    { words: ["getLiteTopicInfo", ...n, "-p", topic, "-l", "lite"] },
    { words: ["getLiteClientInfo", ...n, "-p", topic, "-g", group, "-c", "client"] },
    { words: ["getLiteGroupInfo", ...n, "-p", topic, "-g", group] },
    { words: ["triggerLiteDispatch", ...n, "-p", topic, "-g", group] },
    { words: ["switchTimerEngine", ...b, "-e", "F"] },
    { words: ["checkRocksdbCqWriteProgress", ...c] },
    { words: ["rocksDBConfigToJson", ...b, "-t", "topics"] },
    { words: ["updateStaticTopic", ...c, "-t", "Static", "-qn", "2"] },
    { words: ["wipeWritePerm", ...n, "-b", "broker-a"], masks: [[/OK, \d+/g, "OK, N"]] },
    { words: ["addWritePerm", ...n, "-b", "broker-a"], masks: [[/OK, \d+/g, "OK, N"]] },
    { words: ["deleteTopic", ...c, "-t", "Gone"] },
    { words: ["topicRoute", ...n, "-t", "Gone"] },
    { words: ["deleteSubGroup", ...b, "-g", "GoneGroup", "-r", "true"] },
    { words: ["deleteSubGroup", ...c, "-g", "NeverWas"] },
  ];
}

/** All of them by their words, as a test names them: without what is a place's own. */
export function allCommands(): Command[] {
  const named = (name: string): string[] => Array.from({ length: 8 }, (_, i) => `${name}${i}`);
  const place: Place = {
    namesrv: "NAMESRV",
    broker: "BROKER",
    ids: named("ID"),
    offsetIds: named("PLACE"),
    clientId: "CLIENT",
    file: (name) => `FILES/${name}`,
  };
  return [...makingCommands(place), ...liveCommands(place), ...offlineCommands(place)];
}
