package wasmq.golden;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.transaction.TransactionMetrics;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.ConfigManager;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.timer.TimerMetrics;

/**
 * Loads the config files of a store with Apache's own managers and prints a "loaded" line for each: what the manager would write again.
 * {@code Loaded DIRECTORY}
 */
public final class Loaded {
  public static void main(String[] args) throws Exception {
    BrokerConfig config = new BrokerConfig();
    config.setBrokerIP1("127.0.0.1");
    config.setBrokerIP2("127.0.0.1");
    config.setBrokerName("broker-a");
    config.setEnablePropertyFilter(true);
    MessageStoreConfig store = new MessageStoreConfig();
    store.setStorePathRootDir(args[0]);
    store.setStorePathCommitLog(args[0] + "/commitlog");
    NettyServerConfig server = new NettyServerConfig();
    server.setBindAddress("127.0.0.1");
    BrokerController broker = new BrokerController(config, server, new NettyClientConfig(), store);
    List<ConfigManager> managers = new ArrayList<>(Arrays.asList(
        broker.getTopicConfigManager(),
        broker.getSubscriptionGroupManager(),
        broker.getConsumerOffsetManager(),
        broker.getConsumerFilterManager(),
        (ConfigManager) broker.getConsumerOrderInfoManager(),
        broker.getTopicQueueMappingManager(),
        broker.getQueryAssignmentProcessor().getMessageRequestModeManager(),
        new TimerMetrics(args[0] + "/config/timermetrics"),
        new TransactionMetrics(args[0] + "/config/transactionMetrics")));
    for (ConfigManager manager : managers) {
      String path = manager.configFilePath();
      print(path.substring(path.lastIndexOf('/') + 1), manager.load(), manager);
    }
    // This one asks its message store where its file is, and what its queues hold: there is none behind it here.
    broker.getScheduleMessageService().decode(MixAll.file2String(args[0] + "/config/delayOffset.json"));
    print("delayOffset.json", true, broker.getScheduleMessageService());
    System.exit(0);
  }

  private static void print(String file, boolean loads, ConfigManager manager) {
    Map<String, Object> line = Lines.line("loaded");
    line.put("file", file);
    line.put("loads", loads);
    line.put("text", manager.encode(false));
    Lines.print(line);
  }
}
