package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;

/**
 * Sends one or more batches (divided by --then) with one producer and prints a "sent" or "failed" line for each message.
 *
 * <p>--namesrv A --topic T [--group G] [--mode sync|async|oneway|orderly|batch] [--count 10] [--tags TagA,TagB] [--keys prefix] [--unique-key prefix]
 * [--property name=value] [--batch-size 5] [--time delay-ms|delay-sec|deliver-in-ms --after N] [--recall true] [--client-body-bytes-max N] [--compress-over-bytes N] and one of [--text "Hello RocketMQ "] [--repeated-bytes N]
 * [--random-bytes N]
 */
public final class Produce {
  private static final int ORDERS = 8;

  public static void main(String[] argv) throws Exception {
    List<Args> batches = Args.batches(argv);
    Args first = batches.get(0);
    DefaultMQProducer producer = new DefaultMQProducer(first.or("group", "ProducerGroupName"));
    producer.setNamesrvAddr(first.need("namesrv"));
    // A machine that starts several JVMs at once may be slower than the 3 s that the client gives a send.
    producer.setSendMsgTimeout(30_000);
    // The client itself refuses bodies above 4 MiB; raised, the broker is the one to answer.
    if (first.has("client-body-bytes-max")) producer.setMaxMessageSize(first.intOr("client-body-bytes-max", 0));
    if (first.has("compress-over-bytes")) producer.setCompressMsgBodyOverHowmuch(first.intOr("compress-over-bytes", 0));
    Patient.start(producer);
    try {
      for (int batch = 0; batch < batches.size(); batch++) send(producer, batches.get(batch), batch);
    } finally {
      producer.shutdown();
    }
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void send(DefaultMQProducer producer, Args args, int batch) throws Exception {
    int count = args.intOr("count", 10);
    String mode = args.or("mode", "sync");
    if (mode.equals("batch")) {
      int size = args.intOr("batch-size", 5);
      for (int from = 0; from < count; from += size) sendTogether(producer, args, batch, from, Math.min(from + size, count));
      return;
    }
    CountDownLatch answered = new CountDownLatch(count);
    for (int index = 0; index < count; index++) {
      Message message = message(args, index);
      Line sent = new Line("sent").put("batch", batch).put("index", index).body(message.getBody());
      Line failed = new Line("failed").put("batch", batch).put("index", index);
      try {
        switch (mode) {
          case "sync":
            SendResult result = producer.send(message);
            print(sent, result);
            if (args.has("recall")) recall(producer, message, result, batch, index);
            break;
          case "orderly":
            print(sent, producer.send(message, (queues, m, order) -> queues.get((Integer) order % queues.size()), index % ORDERS));
            break;
          case "oneway":
            producer.sendOneway(message);
            sent.put("msgId", message.getProperty("UNIQ_KEY")).print();
            break;
          case "async":
            producer.send(message, new SendCallback() {
              @Override
              public void onSuccess(SendResult result) {
                print(sent, result);
                answered.countDown();
              }

              @Override
              public void onException(Throwable error) {
                failed.error(error).print();
                answered.countDown();
              }
            });
            break;
          default:
            throw new IllegalArgumentException("no mode " + mode);
        }
      } catch (Exception error) {
        failed.error(error).print();
        answered.countDown();
      }
    }
    if (mode.equals("async")) answered.await();
  }

  /** Takes a message back that was sent just now. */
  private static void recall(DefaultMQProducer producer, Message message, SendResult result, int batch, int index) {
    Line line = new Line("recalled").put("batch", batch).put("index", index);
    try {
      line.put("msgId", Timed.recall(producer, message.getTopic(), Timed.recallHandle(result))).print();
    } catch (Exception error) {
      new Line("failed").put("batch", batch).put("index", index).error(error).print();
    }
  }

  /** One request for all of [from, to): their places are in a row, and their ids in one text. */
  private static void sendTogether(DefaultMQProducer producer, Args args, int batch, int from, int to) throws Exception {
    List<Message> messages = new ArrayList<>();
    for (int index = from; index < to; index++) messages.add(message(args, index));
    SendResult result = producer.send(messages);
    String[] ids = result.getOffsetMsgId().split(",");
    if (ids.length != messages.size()) throw new IllegalStateException(ids.length + " ids for " + messages.size() + " messages");
    for (int i = 0; i < ids.length; i++) {
      Message message = messages.get(i);
      new Line("sent").put("batch", batch).put("index", from + i).body(message.getBody())
          .put("status", result.getSendStatus().name())
          .put("msgId", message.getProperty("UNIQ_KEY"))
          .put("offsetMsgId", ids[i])
          .put("broker", result.getMessageQueue().getBrokerName())
          .put("queueId", result.getMessageQueue().getQueueId())
          .put("queueOffset", result.getQueueOffset() + i)
          .print();
    }
  }

  private static Message message(Args args, int index) throws Exception {
    Message message = new Message(args.need("topic"), body(args, index));
    if (args.has("tags")) {
      String[] tags = args.need("tags").split(",");
      message.setTags(tags[index % tags.length]);
    }
    if (args.has("keys")) message.setKeys(args.need("keys") + index);
    if (args.has("property")) {
      String[] nameAndValue = args.need("property").split("=", 2);
      message.putUserProperty(nameAndValue[0], nameAndValue[1]);
    }
    if (args.has("unique-key")) MessageAccessor.putProperty(message, "UNIQ_KEY", args.need("unique-key") + index);
    if (args.has("time")) Timed.of(message, args.need("time"), args.intOr("after", 0));
    return message;
  }

  private static byte[] body(Args args, int index) {
    if (args.has("random-bytes")) {
      byte[] body = new byte[args.intOr("random-bytes", 0)];
      new Random(index).nextBytes(body);
      return body;
    }
    if (args.has("repeated-bytes")) {
      byte[] body = new byte[args.intOr("repeated-bytes", 0)];
      for (int at = 0; at < body.length; at++) body[at] = (byte) ('a' + (at + index) % 26);
      return body;
    }
    if (args.or("mode", "sync").equals("orderly")) {
      return ("order " + index % ORDERS + " step " + index / ORDERS).getBytes(StandardCharsets.UTF_8);
    }
    return (args.or("text", "Hello RocketMQ ") + index).getBytes(StandardCharsets.UTF_8);
  }

  private static void print(Line sent, SendResult result) {
    sent.put("status", result.getSendStatus().name())
        .put("msgId", result.getMsgId())
        .put("offsetMsgId", result.getOffsetMsgId())
        .put("broker", result.getMessageQueue().getBrokerName())
        .put("queueId", result.getMessageQueue().getQueueId())
        .put("queueOffset", result.getQueueOffset())
        .put("recallHandle", Timed.recallHandle(result))
        .print();
  }
}
