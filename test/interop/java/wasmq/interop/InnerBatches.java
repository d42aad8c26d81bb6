package wasmq.interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Batches that a topic keeps as one record each (queue.type=BatchCQ): who sends them, and who takes them apart. */
final class InnerBatches {
  private static final int BATCHES = 4;
  private static final int BATCH = 5;
  private static final int ACCUMULATED = 200;

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    MessageQueue queue = producer.fetchPublishMessageQueues(scenario.name).get(0);
    List<String> bodies = new ArrayList<>();
    List<Long> offsets = new ArrayList<>();
    for (int i = 0; i < BATCHES; i++) {
      List<Message> batch = new ArrayList<>();
      for (int j = 0; j < BATCH; j++) batch.add(message(scenario, i + "-" + j));
      SendResult sent = producer.send(batch, queue);
      offsets.add(sent.getQueueOffset());
      for (Message one : batch) bodies.add(Scenario.text(one));
      Message single = message(scenario, i + "-single");
      offsets.add(producer.send(single, queue).getQueueOffset());
      bodies.add(Scenario.text(single));
    }
    Collections.sort(bodies);
    scenario.told("sent").put("offsets", offsets.toString()).print();

    // One of a batch fails the first time.
    List<String> came = Collections.synchronizedList(new ArrayList<>());
    List<String> again = Collections.synchronizedList(new ArrayList<>());
    Set<String> keys = ConcurrentHashMap.newKeySet();
    DefaultMQPushConsumer consumer = scenario.consumer("G-" + scenario.name);
    consumer.subscribe(scenario.name, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      MessageExt message = messages.get(0);
      String body = Scenario.text(message);
      if (body.equals("1-2") && message.getReconsumeTimes() == 0) return ConsumeConcurrentlyStatus.RECONSUME_LATER;
      if (message.getReconsumeTimes() > 0) again.add(body + " " + message.getReconsumeTimes());
      came.add(body);
      keys.add(message.getKeys() + " " + message.getMsgId());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> came.size() >= bodies.size(), "all messages");
    List<String> sorted = new ArrayList<>(came);
    Collections.sort(sorted);
    scenario.told("came").put("isAll", sorted.equals(bodies) ? "yes" : sorted.toString()).put("again", again.toString())
        .put("keys", keys.size()).print();

    Set<String> polled = new ConcurrentSkipListSet<>();
    DefaultLitePullConsumer pulling = scenario.configure(new DefaultLitePullConsumer("L-" + scenario.name));
    pulling.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    pulling.subscribe(scenario.name, "*");
    pulling.start();
    scenario.closeWith(pulling::shutdown);
    scenario.until(() -> {
      for (MessageExt message : pulling.poll(100)) polled.add(Scenario.text(message));
      return polled.size() == bodies.size();
    }, "all messages, polled");
    scenario.told("polled").put("count", polled.size()).print();
  }

  /** A producer that gathers what is sent one by one. */
  static void accumulated(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.started(Accumulating.producer("PG-" + scenario.name));
    List<String> failures = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch answered = new CountDownLatch(ACCUMULATED);
    for (int i = 0; i < ACCUMULATED; i++) {
      producer.send(message(scenario, "m" + i), new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          answered.countDown();
        }

        @Override
        public void onException(Throwable error) {
          failures.add(String.valueOf(error));
          answered.countDown();
        }
      });
    }
    answered.await();
    Set<String> came = ConcurrentHashMap.newKeySet();
    Set<String> records = ConcurrentHashMap.newKeySet();
    DefaultMQPushConsumer consumer = scenario.consumer("G-" + scenario.name);
    consumer.subscribe(scenario.name, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        came.add(Scenario.text(message));
        records.add(message.getQueueId() + " " + message.getCommitLogOffset());
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> came.size() >= ACCUMULATED, "all messages");
    scenario.told("accumulated").put("failures", String.join("; ", failures)).put("came", came.size())
        .put("isBatched", records.size() < ACCUMULATED / 3 ? "yes" : "no").print();
  }

  private static Message message(Scenario scenario, String body) {
    Message message = scenario.message(scenario.name, body);
    message.setKeys("key-" + body);
    return message;
  }
}
