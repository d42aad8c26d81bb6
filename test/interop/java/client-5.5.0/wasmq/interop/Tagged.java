package wasmq.interop;

import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages by their tag, which 5.5 indexes. */
final class Tagged {
  static List<MessageExt> find(DefaultMQProducer producer, String topic, String tag) throws Exception {
    return producer
        .getDefaultMQProducerImpl()
        .getMqClientFactory()
        .getMQAdminImpl()
        .queryMessage(null, topic, tag, 64, 0, Long.MAX_VALUE, false, MessageConst.INDEX_TAG_TYPE, null)
        .getMessageList();
  }

  private Tagged() {}
}
