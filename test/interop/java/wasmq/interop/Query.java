package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sends messages with keys, then asks for them in all the ways that the client has: an "asked" line for each question, with the bodies of
 * the answer in its order. Between the halves of the messages lie more than two seconds, so that either is found by time.
 *
 * <p>--namesrv A --topic T
 */
public final class Query {
  private static final int COUNT = 12;
  private static final long PAUSE_MS = 2_500;
  private static final long INDEXED_WITHIN_MS = 60_000;
  private static final long EVER = Long.MAX_VALUE;

  private static DefaultMQProducer producer;
  private static String topic;

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    topic = args.need("topic");
    producer = new DefaultMQProducer("ProducerGroupName");
    producer.setNamesrvAddr(args.need("namesrv"));
    producer.setSendMsgTimeout(30_000);
    Patient.start(producer);
    try {
      List<SendResult> sent = send();
      MessageExt middle = untilIndexed(sent.get(COUNT / 2));
      long between = middle.getStoreTimestamp() - PAUSE_MS / 2;
      for (String key : new String[] {"k3", "third1", "all", "none", "k", "TagA", "k3 third0", "schlüssel-🐇"}) {
        ask("key " + key, () -> producer.queryMessage(topic, key, 64, 0, EVER).getMessageList());
      }
      ask("newest", () -> producer.queryMessage(topic, "all", 5, 0, EVER).getMessageList());
      ask("at most none", () -> producer.queryMessage(topic, "all", 0, 0, EVER).getMessageList());
      ask("first half", () -> producer.queryMessage(topic, "all", 64, 0, between).getMessageList());
      ask("second half", () -> producer.queryMessage(topic, "all", 64, between, EVER).getMessageList());
      ask("before", () -> producer.queryMessage(topic, "all", 64, 0, between - 60_000).getMessageList());
      ask("after", () -> producer.queryMessage(topic, "all", 64, between + 600_000, EVER).getMessageList());
      ask("another topic", () -> producer.queryMessage("TBW102", "all", 64, 0, EVER).getMessageList());
      ask("unique key", () -> List.of(producer.viewMessage(topic, sent.get(4).getMsgId())));
      ask("offset id", () -> List.of(producer.viewMessage(topic, sent.get(5).getOffsetMsgId())));
      ask("tag", () -> Tagged.find(producer, topic, "TagA"));
      ask("tag none", () -> Tagged.find(producer, topic, "k3"));
    } finally {
      producer.shutdown();
    }
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static List<SendResult> send() throws Exception {
    List<SendResult> sent = new ArrayList<>();
    for (int i = 0; i < COUNT; i++) {
      if (i == COUNT / 2) Thread.sleep(PAUSE_MS);
      Message message = new Message(topic, i % 2 == 0 ? "TagA" : "TagB", ("m" + i).getBytes(StandardCharsets.UTF_8));
      message.setKeys(List.of("k" + i, "third" + i % 3, "all", "schlüssel-🐇"));
      sent.add(producer.send(message));
    }
    return sent;
  }

  /** Apache indexes a message some time after it has answered: the last one is waited for. */
  private static MessageExt untilIndexed(SendResult middle) throws Exception {
    long deadline = System.currentTimeMillis() + INDEXED_WITHIN_MS;
    for (;;) {
      try {
        producer.queryMessage(topic, "k" + (COUNT - 1), 64, 0, EVER);
        return producer.viewMessage(topic, middle.getOffsetMsgId());
      } catch (MQClientException notYet) {
        if (System.currentTimeMillis() > deadline) throw notYet;
        Thread.sleep(50);
      }
    }
  }

  private interface Question {
    List<MessageExt> answer() throws Exception;
  }

  private static void ask(String question, Question asked) {
    Line line = new Line("asked").put("question", question);
    try {
      List<String> bodies = new ArrayList<>();
      for (MessageExt message : asked.answer()) bodies.add(new String(message.getBody(), StandardCharsets.UTF_8));
      line.put("answer", String.join(" ", bodies)).print();
    } catch (Exception error) {
      line.error(error).print();
    }
  }
}
