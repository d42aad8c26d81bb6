package wasmq.interop;

import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages of delay levels, the highest and one beyond it among them. */
final class Delays {
  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    int[] levels = {0, 1, 2, 18, 40};
    AtomicInteger came = new AtomicInteger();
    // So that the consumer has queues at once.
    producer.send(scenario.message(scenario.name, "first"));
    DefaultMQPushConsumer consumer = scenario.consumer(scenario.name);
    consumer.subscribe(scenario.name, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        scenario.told("came").put("body", Scenario.text(message)).put("topic", message.getTopic()).put("queueId", message.getQueueId())
            .put("afterMs", message.getStoreTimestamp() - message.getBornTimestamp()).put("properties", message.getProperties()).print();
      }
      came.addAndGet(messages.size());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> came.get() == 1, "the first message");
    for (int level : levels) {
      Message message = scenario.message(scenario.name, "level " + level);
      message.setDelayTimeLevel(level);
      SendResult sent = producer.send(message);
      scenario.told("sent").put("body", "level " + level).put("status", sent.getSendStatus().name())
          .put("topic", sent.getMessageQueue().getTopic()).put("queueId", sent.getMessageQueue().getQueueId()).print();
    }
    scenario.until(() -> came.get() == 1 + levels.length, "all messages");
  }

  private Delays() {}
}
