package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Several clients in one process, each with name servers of its own. Does what lines of its standard input say, side by side, and prints
 * a "done" line for each with its number; shuts down when the input ends.
 *
 * <p>client NAME NAMESRV; send NAME TOPIC PREFIX COUNT PAUSE_MS (a "put" or "refused" line each); consume NAME TOPIC GROUP (a "taken" line
 * for each message)
 */
public final class Clients {
  private static final Map<String, String> nameServers = new HashMap<>();
  private static final Map<String, DefaultMQProducer> producers = new HashMap<>();
  private static final List<DefaultMQPushConsumer> consumers = new ArrayList<>();

  public static void main(String[] argv) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    List<Thread> running = new ArrayList<>();
    int number = 0;
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.trim().split(" ");
      int command = number++;
      Thread thread = new Thread(() -> run(words, command));
      running.add(thread);
      thread.start();
    }
    for (Thread thread : running) thread.join();
    for (DefaultMQPushConsumer consumer : consumers) consumer.shutdown();
    for (DefaultMQProducer producer : producers.values()) producer.shutdown();
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void run(String[] words, int number) {
    try {
      switch (words[0]) {
        case "client":
          client(words[1], words[2]);
          break;
        case "send":
          send(words[1], words[2], words[3], Integer.parseInt(words[4]), Long.parseLong(words[5]));
          break;
        case "consume":
          consume(words[1], words[2], words[3]);
          break;
        default:
          throw new IllegalArgumentException("no command " + words[0]);
      }
      new Line("done").put("number", number).print();
    } catch (Exception error) {
      new Line("refused").put("client", words[1]).put("keys", words[0]).error(error).print();
    }
  }

  private static void client(String name, String nameServer) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("ProducerGroupName");
    producer.setNamesrvAddr(nameServer);
    producer.setInstanceName(name);
    producer.setSendMsgTimeout(30_000);
    Patient.start(producer);
    synchronized (producers) {
      nameServers.put(name, nameServer);
      producers.put(name, producer);
    }
  }

  private static void send(String name, String topic, String prefix, int count, long pauseMs) throws Exception {
    DefaultMQProducer producer;
    synchronized (producers) {
      producer = producers.get(name);
    }
    for (int index = 0; index < count; index++) {
      String key = prefix + index;
      try {
        SendResult result = producer.send(new Message(topic, "TagA", key, key.getBytes(StandardCharsets.UTF_8)));
        new Line("put").put("client", name).put("topic", topic).put("keys", key).put("status", result.getSendStatus().name())
            .put("broker", result.getMessageQueue().getBrokerName()).print();
      } catch (Exception error) {
        new Line("refused").put("client", name).put("keys", key).error(error).print();
      }
      Thread.sleep(pauseMs);
    }
  }

  private static void consume(String name, String topic, String group) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    synchronized (producers) {
      consumer.setNamesrvAddr(nameServers.get(name));
      consumers.add(consumer);
    }
    consumer.setInstanceName(name);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        new Line("taken").put("client", name).put("topic", topic).put("keys", message.getKeys()).put("group", group)
            .put("broker", context.getMessageQueue().getBrokerName()).print();
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    Patient.start(consumer);
  }
}
