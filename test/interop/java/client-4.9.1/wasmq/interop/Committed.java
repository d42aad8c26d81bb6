package wasmq.interop;

import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.header.QueryConsumerOffsetRequestHeader;

/** The offset the broker holds for a group. The request header's package is the one thing that differs between 4.x and 5.x. */
final class Committed {
  static final long NONE = -1;
  private static final long TIMEOUT_MS = 10_000;

  /** Asked on the wire: a client's offset store would put the answer into the table from which it commits. */
  static long of(MQClientInstance client, MessageQueue queue, String group) throws Exception {
    QueryConsumerOffsetRequestHeader header = new QueryConsumerOffsetRequestHeader();
    header.setConsumerGroup(group);
    header.setTopic(queue.getTopic());
    header.setQueueId(queue.getQueueId());
    try {
      String broker = client.findBrokerAddressInPublish(queue.getBrokerName());
      return client.getMQClientAPIImpl().queryConsumerOffset(broker, header, TIMEOUT_MS);
    } catch (MQBrokerException none) {
      return NONE;
    }
  }

  private Committed() {}
}
