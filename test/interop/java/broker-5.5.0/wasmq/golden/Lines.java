package wasmq.golden;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONWriter;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the programs print: one JSON object a line, told from other output by "event" in its first place. */
final class Lines {
  private Lines() {}

  static Map<String, Object> line(String event) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("event", event);
    return line;
  }

  static synchronized void print(Map<String, Object> line) {
    System.out.println(JSON.toJSONString(line, JSONWriter.Feature.WriteMapNullValue));
    System.out.flush();
  }
}
