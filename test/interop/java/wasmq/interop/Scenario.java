package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What a scenario plays with: clients that find the broker, each a process of its own in the eyes of it, and are shut down behind it. */
final class Scenario {
  interface Play {
    void play(Scenario scenario) throws Exception;
  }

  private interface Closing {
    void close() throws Exception;
  }

  private static final AtomicInteger INSTANCES = new AtomicInteger();
  private static final long WAIT_MS = 90_000;

  /** Of its topics and groups. */
  final String name;
  private final String namesrv;
  private final int number;
  private final List<Closing> closings = new ArrayList<>();

  Scenario(String namesrv, String name, int number) {
    this.namesrv = namesrv;
    this.name = name;
    this.number = number;
  }

  /** A line of what the scenario found; print() says it. */
  Line told(String what) {
    return new Line("told").put("of", number).put("what", what);
  }

  DefaultMQProducer producer(String group) throws Exception {
    return started(new DefaultMQProducer(group));
  }

  DefaultMQProducer started(DefaultMQProducer producer) throws Exception {
    configure(producer);
    // A machine that starts several JVMs at once may be slower than the 3 s that the client gives a send.
    producer.setSendMsgTimeout(30_000);
    Patient.start(producer);
    closings.add(producer::shutdown);
    return producer;
  }

  /** From the first message on; not started. */
  DefaultMQPushConsumer consumer(String group) {
    return configured(new DefaultMQPushConsumer(group));
  }

  DefaultMQPushConsumer configured(DefaultMQPushConsumer consumer) {
    configure(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    closings.add(consumer::shutdown);
    return consumer;
  }

  <C extends ClientConfig> C configure(C client) {
    client.setNamesrvAddr(namesrv);
    RouteTimeout.of(client);
    // A broker knows clients by this and their address: programs that run at once are not to be taken for each other.
    client.setInstanceName("modes-" + ProcessHandle.current().pid() + "-" + INSTANCES.getAndIncrement());
    client.setPollNameServerInterval(1_000);
    client.setHeartbeatBrokerInterval(1_000);
    return client;
  }

  void closeWith(Runnable close) {
    closings.add(close::run);
  }

  Message message(String topic, String body) {
    return new Message(topic, body.getBytes(StandardCharsets.UTF_8));
  }

  static String text(Message message) {
    return new String(message.getBody(), StandardCharsets.UTF_8);
  }

  static List<String> texts(List<MessageExt> messages) {
    List<String> texts = new ArrayList<>();
    for (MessageExt message : messages) texts.add(text(message));
    return texts;
  }

  void until(BooleanSupplier holds, String what) throws InterruptedException {
    long deadline = System.currentTimeMillis() + WAIT_MS;
    while (!holds.getAsBoolean()) {
      if (System.currentTimeMillis() > deadline) throw new IllegalStateException("waited " + WAIT_MS + " ms for " + what);
      Thread.sleep(20);
    }
  }

  /** The line behind it is the last thing that is told of the scenario. */
  void close() {
    for (int i = closings.size() - 1; i >= 0; i--) {
      try {
        closings.get(i).close();
      } catch (Exception error) {
        error.printStackTrace();
      }
    }
  }
}
