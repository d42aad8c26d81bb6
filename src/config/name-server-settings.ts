import { only, type Promises } from "./broker-settings.ts";
import { flag, text, whole } from "./setting.ts";

/** RocketMQ's settings that a NameServer here goes by, with its defaults (NamesrvConfig, NettyServerConfig). */
export const nameServerSettings = {
  listenPort: whole(9_876, 0, 65_535),
  bindAddress: text("127.0.0.1", "an address", /^\S+$/),
  orderMessageEnable: flag(false),
  returnOrderTopicConfigToBroker: flag(true),
  enableAllTopicList: flag(true),
  enableTopicList: flag(true),
  supportActingMaster: flag(false),
  deleteTopicWithBrokerRegistration: flag(false),
  scanNotActiveBrokerInterval: whole(5_000, 100, 3_600_000),
  needWaitForService: flag(false),
  waitSecondsForService: whole(45, 0, 3_600),
  serverChannelMaxIdleTimeSeconds: whole(120, 1, 24 * 3_600),
};

/** See `brokerPromises`. */
export const nameServerPromises: Promises = {
  ...only("false", "there is no controller here", "enableControllerInNamesrv"),
};
