package wasmq.interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A producer that batches by itself what is sent one by one, and who consumes it. */
final class AutoBatches {
  private static final int COUNT = 300;

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.started(Accumulating.producer("PG-" + scenario.name));
    Set<String> places = ConcurrentHashMap.newKeySet();
    Set<String> stored = ConcurrentHashMap.newKeySet();
    List<String> failures = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch answered = new CountDownLatch(COUNT);
    for (int i = 0; i < COUNT; i++) {
      Message message = scenario.message(scenario.name, String.format("m%03d", i));
      message.setTags(i % 2 == 0 ? "even" : "odd");
      message.setKeys("k" + i);
      producer.send(message, new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          places.add(result.getMessageQueue().getQueueId() + " " + result.getQueueOffset());
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
    List<String> bodies = Collections.synchronizedList(new ArrayList<>());
    DefaultMQPushConsumer consumer = scenario.consumer("G-" + scenario.name);
    consumer.subscribe(scenario.name, "odd");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        bodies.add(Scenario.text(message) + " " + message.getKeys());
        stored.add(message.getQueueId() + " " + message.getStoreTimestamp());
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> bodies.size() >= COUNT / 2, "half of the messages");
    List<String> sorted = new ArrayList<>(bodies);
    Collections.sort(sorted);
    scenario.told("sent").put("places", places.size()).put("failures", String.join("; ", failures)).print();
    // Those of a batch are stored at one time.
    scenario.told("came").put("bodies", String.join(",", sorted)).put("isBatched", stored.size() < COUNT / 3 ? "yes" : "no").print();
  }
}
