package wasmq.golden;

import com.alibaba.fastjson2.JSON;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.broker.filter.MessageEvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.parser.SelectorParser;

/**
 * Holds messages' properties against SQL92 expressions with Apache's own parser and evaluator. Each line of standard input is
 * {@code {"sql":"...","messages":[{"name":"value"},...]}}, answered by a line: a letter for each message, (T)rue, (F)alse, (N)ull or
 * (E)xception; or P and what is wrong with the expression.
 */
public final class Filters {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    StringBuilder out = new StringBuilder();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Map<String, Object> asked = JSON.parseObject(line);
      out.setLength(0);
      Expression expression = null;
      try {
        expression = SelectorParser.parse((String) asked.get("sql"));
      } catch (Throwable error) {
        out.append('P').append(String.valueOf(error.getMessage()).replaceAll("\\s+", " "));
      }
      if (expression != null) {
        for (Object message : (List<?>) asked.get("messages")) out.append(judged(expression, (Map<?, ?>) message));
      }
      System.out.println(out);
    }
    System.out.flush();
  }

  @SuppressWarnings("unchecked")
  private static char judged(Expression expression, Map<?, ?> properties) {
    try {
      Object result = expression.evaluate(new MessageEvaluationContext((Map<String, String>) properties));
      return result == null ? 'N' : (Boolean) result ? 'T' : 'F';
    } catch (Throwable error) {
      return 'E';
    }
  }
}
