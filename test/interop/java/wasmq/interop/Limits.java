package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** What a broker refuses, and by which code the client tells of it: a "sent" line each. */
final class Limits {
  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.setMaxMessageSize(64 * 1024 * 1024);
    producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
    producer.setRetryTimesWhenSendFailed(0);
    producer.setRetryTimesWhenSendAsyncFailed(0);
    producer.send(scenario.message(scenario.name, "first"));
    send(scenario, producer, "properties of 32 KB", propertied(scenario.name, 32_000));
    send(scenario, producer, "properties of 33 KB", propertied(scenario.name, 33_000));
    send(scenario, producer, "a body of 5 MiB", new Message(scenario.name, new byte[5 * 1024 * 1024]));
    send(scenario, producer, "a batch of 2 MiB", batch(scenario.name, 2, 1024 * 1024));
    send(scenario, producer, "a topic of 127 characters", scenario.message(repeated('t', 127 - scenario.name.length()) + scenario.name, "long"));
    send(scenario, producer, "a topic closed to clients", scenario.message("SCHEDULE_TOPIC_XXXX", "closed"));
    Message late = scenario.message(scenario.name, "no level");
    late.putUserProperty("x", "y");
    late.getProperties().put("DELAY", "abc");
    send(scenario, producer, "a delay that is no level", late);
    async(scenario, producer);
  }

  /** Any number at once, each with a key of its own. */
  private static void async(Scenario scenario, DefaultMQProducer producer) throws Exception {
    int count = 500;
    CountDownLatch answered = new CountDownLatch(count);
    Set<String> ids = new HashSet<>();
    Set<String> places = new HashSet<>();
    List<String> failures = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      producer.send(scenario.message(scenario.name, "async " + i), new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          synchronized (ids) {
            ids.add(result.getMsgId());
            places.add(result.getOffsetMsgId());
          }
          answered.countDown();
        }

        @Override
        public void onException(Throwable error) {
          synchronized (ids) {
            failures.add(String.valueOf(error));
          }
          answered.countDown();
        }
      });
    }
    answered.await();
    scenario.told("async").put("ids", ids.size()).put("places", places.size()).put("failures", String.join("; ", failures)).print();
  }

  private static void send(Scenario scenario, DefaultMQProducer producer, String what, Object message) {
    try {
      SendResult result = send(producer, message);
      scenario.told("sent").put("message", what).put("status", result.getSendStatus().name()).print();
    } catch (Exception error) {
      Line line = scenario.told("sent").put("message", what);
      line.put("error", error.getClass().getSimpleName()).put("code", Line.codeOf(error)).print();
    }
  }

  @SuppressWarnings("unchecked")
  private static SendResult send(DefaultMQProducer producer, Object message) throws Exception {
    return message instanceof Message ? producer.send((Message) message) : producer.send((List<Message>) message);
  }

  private static Message propertied(String topic, int bytes) {
    Message message = new Message(topic, "propertied".getBytes(StandardCharsets.UTF_8));
    message.putUserProperty("large", repeated('p', bytes));
    return message;
  }

  private static List<Message> batch(String topic, int count, int bytes) {
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < count; i++) messages.add(new Message(topic, new byte[bytes - 1_000]));
    return messages;
  }

  private static String repeated(char c, int count) {
    return String.valueOf(c).repeat(count);
  }

  private Limits() {}
}
