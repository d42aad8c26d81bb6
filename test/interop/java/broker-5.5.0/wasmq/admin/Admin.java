package wasmq.admin;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONArray;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/**
 * Runs what it is told, a JSON array a line, and says what it printed: commands of mqadmin, all in this process, and clients that stay meanwhile
 * (Clients). `{"event":"ran","printed":"...","ms":7}`.
 */
public final class Admin extends MQAdminStartup {

    public static void main(String[] args) {
        wakeWhatIsEnding(Thread.currentThread());
        try (Clients clients = new Clients()) {
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                JSONArray words = JSON.parseArray(line);
                run(words.toList(String.class).toArray(new String[0]), clients);
            }
        } catch (Exception e) {
            e.printStackTrace();
        }
        System.exit(0);
    }

    /** A client that ends waits for a thread of its that looks up every three seconds: here it looks up at once. */
    private static void wakeWhatIsEnding(Thread main) {
        Thread waker = new Thread(() -> {
            while (true) {
                for (StackTraceElement element : main.getStackTrace()) {
                    if (element.getClassName().endsWith("NettyRemotingClient") && element.getMethodName().equals("shutdown")) {
                        for (Thread thread : Thread.getAllStackTraces().keySet()) {
                            if (thread.getName().startsWith("NettyEventExecutor")) {
                                thread.interrupt();
                            }
                        }
                    }
                }
                try {
                    Thread.sleep(20);
                } catch (InterruptedException e) {
                    return;
                }
            }
        });
        waker.setDaemon(true);
        waker.start();
    }

    private static void run(String[] words, Clients clients) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream to = new PrintStream(printed, true, StandardCharsets.UTF_8);
        System.setOut(to);
        System.setErr(to);
        long begin = System.nanoTime();
        try {
            if (words[0].equals("commands")) {
                to.println(String.join(" ", names()));
            } else if (words[0].startsWith("@")) {
                clients.run(words, to);
            } else {
                // A command has what it made when it ran before, and that is shut down.
                SUB_COMMANDS.clear();
                main0(words, null);
            }
        } catch (Throwable e) {
            to.println(e);
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", "ran");
        line.put("printed", printed.toString(StandardCharsets.UTF_8));
        line.put("ms", (System.nanoTime() - begin) / 1_000_000);
        out.println(JSON.toJSONString(line));
    }

    private static List<String> names() {
        initCommand();
        TreeSet<String> names = new TreeSet<>();
        for (SubCommand command : SUB_COMMANDS) {
            names.add(command.commandName());
        }
        return List.copyOf(names);
    }
}
