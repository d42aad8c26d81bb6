package wasmq.interop;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** Times of delivery, which clients of 4.x write as properties. */
final class Timed {
  static void of(Message message, String kind, int after) {
    switch (kind) {
      case "delay-ms":
        message.putUserProperty("TIMER_DELAY_MS", String.valueOf(after));
        break;
      case "delay-sec":
        message.putUserProperty("TIMER_DELAY_SEC", String.valueOf(after));
        break;
      case "deliver-in-ms":
        message.putUserProperty("TIMER_DELIVER_MS", String.valueOf(System.currentTimeMillis() + after));
        break;
      default:
        throw new IllegalArgumentException("no time " + kind);
    }
  }

  static String recallHandle(SendResult result) {
    return null;
  }

  static String recall(DefaultMQProducer producer, String topic, String handle) {
    throw new UnsupportedOperationException("clients of 4.x recall nothing");
  }

  private Timed() {}
}
