package wasmq.interop;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** Times of delivery, for which 5.x has methods. */
final class Timed {
  static void of(Message message, String kind, int after) {
    switch (kind) {
      case "delay-ms":
        message.setDelayTimeMs(after);
        break;
      case "delay-sec":
        message.setDelayTimeSec(after);
        break;
      case "deliver-in-ms":
        message.setDeliverTimeMs(System.currentTimeMillis() + after);
        break;
      default:
        throw new IllegalArgumentException("no time " + kind);
    }
  }

  static String recallHandle(SendResult result) {
    return result.getRecallHandle();
  }

  /** The id of the message that was taken back. */
  static String recall(DefaultMQProducer producer, String topic, String handle) throws Exception {
    return producer.recallMessage(topic, handle);
  }

  private Timed() {}
}
