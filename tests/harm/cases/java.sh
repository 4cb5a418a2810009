#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Java: the compiler, threads, child processes, a server and a client of its own, an exit hook.
# needs: java javac
# limit: 90
# spans: 3
# wire: 8081 8080
# filter: ^Date: .* => Date:
# A version number is in the client's name; keys of the upgrade to HTTP/2 it offers.
# filter: ^User-Agent: .* => User-Agent:
. "$HARM/lib.sh"
cat >Main.java <<'END'
import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.util.concurrent.*;

public class Main {
    static String run(String... command) throws Exception {
        Process child = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(child.getInputStream().readAllBytes());
        return said + child.waitFor();
    }

    public static void main(String[] arguments) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        System.out.println(run(System.getenv("HARM") + "/witness", "from java"));
        try {
            run("/no/such/program");
        } catch (IOException why) {
            System.out.println(why.getMessage());
        }
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 0);
        server.createContext("/", exchange -> {
            byte[] body = ("you sent " + exchange.getRequestBody().readAllBytes().length +
                           "\n").getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        ExecutorService pool = Executors.newFixedThreadPool(4);
        server.setExecutor(pool);
        server.start();
        URL url = new URL("http://127.0.0.1:8081/plain");
        try (InputStream in = url.openStream()) {
            System.out.print(new String(in.readAllBytes()));
        }
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        for (int i = 0; i < 3; i++)
            System.out.print(client.send(HttpRequest.newBuilder(
                URI.create("http://127.0.0.1:8081/posted")).POST(
                HttpRequest.BodyPublishers.ofString("x".repeat(100000 * i))).build(),
                HttpResponse.BodyHandlers.ofString()).body());
        try (Socket refused = new Socket("127.0.0.1", 9)) {
            System.out.println("not refused");
        } catch (ConnectException why) {
            System.out.println(why.getMessage());
        }
        Future<?>[] all = new Future<?>[50];
        for (int i = 0; i < 50; i++)
            all[i] = pool.submit(() -> run("/bin/true"));
        for (Future<?> one : all)
            System.out.print(one.get());
        System.out.println();
        server.stop(0);
        pool.shutdown();
        System.exit(7);
    }
}
END
javac Main.java
ls ./*.class
java -XX:-UsePerfData Main
echo "status $?"
java -XX:-UsePerfData -version 2>&1 | head -n 1
java -XX:-UsePerfData -cp . Nothing 2>&1 | head -n 1
rm -rf ./*.class /tmp/hsperfdata_*
