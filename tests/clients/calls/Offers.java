// Java's own client as it is without a setting: it offers HTTP/2 by `Upgrade: h2c`. Posts each file to the URL,
// twice on one connection, and prints the status and how many rows the answer has.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

public class Offers {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 1; i < arguments.length; i++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[i])))
                .build();
            for (int turn = 0; turn < 2; turn++) {
                HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
                System.out.println(response.statusCode() + " " + (response.body().split("\"agreement\"").length - 1));
            }
        }
    }
}
