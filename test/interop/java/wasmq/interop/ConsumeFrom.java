package wasmq.interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * New groups that begin with the first message, the last, and one by time, whether their offsets are the broker's or, broadcasting, their own: a
 * "began" line each, with the messages they had.
 */
final class ConsumeFrom {
  private static final long SECOND_MS = 1_000;

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.setDefaultTopicQueueNums(1);
    producer.send(scenario.message(scenario.name, "old"));
    // Times are told to the second, here and by consumeTimestamp.
    Thread.sleep(2 * SECOND_MS);
    long between = System.currentTimeMillis();
    Thread.sleep(2 * SECOND_MS);
    producer.send(scenario.message(scenario.name, "young"));
    Map<String, List<String>> had = new LinkedHashMap<>();
    for (boolean broadcasts : new boolean[] {false, true}) {
      for (ConsumeFromWhere where : new ConsumeFromWhere[] {
          ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP}) {
        begin(scenario, where, broadcasts, between, had);
      }
    }
    for (Map.Entry<String, List<String>> group : had.entrySet()) {
      scenario.until(() -> group.getValue().contains("new"), "the newest message by " + group.getKey());
      scenario.told("began").put("where", group.getKey()).put("bodies", String.join(" ", new TreeSet<>(group.getValue()))).print();
    }
  }

  private static void begin(Scenario scenario, ConsumeFromWhere where, boolean broadcasts, long between, Map<String, List<String>> had) throws Exception {
    String key = (broadcasts ? "broadcasting " : "") + where;
    List<String> bodies = Collections.synchronizedList(new ArrayList<>());
    had.put(key, bodies);
    DefaultMQPushConsumer consumer = scenario.consumer(scenario.name + "-" + had.size());
    consumer.setConsumeFromWhere(where);
    consumer.setConsumeTimestamp(UtilAll.timeMillisToHumanString3(between));
    if (broadcasts) Broadcasting.of(consumer);
    consumer.subscribe(scenario.name, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) bodies.add(Scenario.text(message));
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    // It has to have begun before the newest message comes.
    scenario.until(() -> consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
        .anyMatch((queue) -> queue.getTopic().equals(scenario.name)), "its queue");
    if (had.size() == 6) scenario.producer("PG-new-" + scenario.name).send(scenario.message(scenario.name, "new"));
  }

  private ConsumeFrom() {}
}
