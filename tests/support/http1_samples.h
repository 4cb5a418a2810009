/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of HTTP/1.x for the parser's tests: each is cut at every place, compared with another
 * parser, and a seed for mutations.
 */
#ifndef OTEL_TESTS_SUPPORT_HTTP1_SAMPLES_H
#define OTEL_TESTS_SUPPORT_HTTP1_SAMPLES_H

#include <stdbool.h>

struct http1_sample {
    bool response;
    bool head_request, connect_request;
    const char *bytes;  /* no NUL in them */
    const char *expect; /* in the words of http1_log.h */
};

static const struct http1_sample http1_samples[] = {
    {.bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
     .expect = "begin start:GET:/ name:Host header:Host:a closing head:none+keep end:0"},
    {.bytes = "\r\n\n\r\nGET /x?y=1#z HTTP/1.0\nHost:\t a b \t\nOdd:x\n\n",
     .expect = "begin start:GET:/x?y=1#z name:Host header:Host:a b closing head:none end:0"},
    {.bytes = "POST /p HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345"
              "GET /q HTTP/1.1\r\nCONNECTION: x, close\r\n\r\n",
     .expect = "begin start:POST:/p name:content-length header:content-length:5 closing "
               "head:length+keep end:5 begin start:GET:/q name:CONNECTION "
               "header:CONNECTION:x, close closing head:none end:0"},
    {.bytes = "PUT * HTTP/1.1\r\nTransfer-Encoding: gzip , Chunked\r\nTrailer: X\r\n\r\n"
              "5;a=\"b;c\"\r\n12345\r\n00A\r\n1234567890\r\n000\r\nX: y\r\nZ:\r\n\r\n"
              "OPTIONS * HTTP/1.1\r\n\r\n",
     .expect = "begin start:PUT:* closing head:chunked+keep end:15 "
               "begin start:OPTIONS:* closing head:none+keep end:0"},
    {.bytes = "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n",
     .expect = "begin start:CONNECT:a.b:443 name:Host header:Host:a.b:443 closing head:none+keep "
               "end:0"},
    {.bytes = "POST /old HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"
              "M-SEARCH * HTTP/1.1\r\nEven:\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
     .expect = "begin start:POST:/old name:Connection header:Connection:Keep-Alive "
               "name:Content-Length header:Content-Length:0 closing head:none+keep end:0 "
               "begin start:M-SEARCH:* name:Even header:Even: name:Connection "
               "header:Connection:upgrade closing head:none+keep end:0"},
    {.bytes =
         "GET http://a/\xc3\xa4 HTTP/1.1\r\nCookie: \xff\t=1\r\nA-long-unwanted-name: and value"
         "\r\nAccept-Language: en\r\nUser-Agent: curl/8\r\n\r\n",
     .expect = "begin start:GET:http://a/\xc3\xa4 name:Cookie header:Cookie:\xff\t=1 "
               "name:A-long-unwanted-name header:A-long-unwanted-name:and value name:User-Agent "
               "header:User-Agent:curl/8 closing head:none+keep end:0"},
    {.response = true,
     .bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: x\r\n\r\nabc",
     .expect =
         "begin start:100 closing head:none+keep end:0 begin start:103 name:Link "
         "header:Link:a closing head:none+keep end:0 begin start:200 name:Content-Length "
         "header:Content-Length:3 name:Server header:Server:x closing head:length+keep end:3"},
    {.response = true,
     .bytes = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
              "HTTP/1.1 204 No Content\nDate: x\n\nHTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n"
              "HTTP/1.0 999 \xe4\t!\r\nContent-Length: 0\r\n\r\n",
     .expect = "begin start:200 closing head:chunked+keep end:1 begin start:204 name:Date "
               "header:Date:x closing head:none+keep end:0 begin start:304 name:Content-Length "
               "header:Content-Length:7 closing head:none+keep end:0 begin start:999 "
               "name:Content-Length header:Content-Length:0 closing head:none end:0"},
    {.response = true,
     .bytes = "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall the rest\r\n\r\nHTTP/1.1 200 OK\r\n",
     .expect = "begin start:200 name:Server header:Server:x closing head:close"},
    {.response = true,
     .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzzz",
     .expect = "begin start:200 closing head:close"},
    {.response = true,
     .head_request = true,
     .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n"
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 404 No\r\n\r\n",
     .expect = "begin start:200 name:Content-Length header:Content-Length:300 closing "
               "head:none+keep end:0 begin start:200 closing head:none+keep end:0 begin start:404 "
               "closing head:none+keep end:0"},
    {.response = true,
     .bytes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: w\r\nConnection: Upgrade\r\n\r\n"
              "\x81\x05hello",
     .expect = "begin start:101 name:Connection header:Connection:Upgrade closing head:tunnel "
               "end:0"},
    {.response = true,
     .connect_request = true,
     .bytes = "HTTP/1.1 407 Auth\r\nContent-Length: 1\r\n\r\nx"
              "HTTP/1.1 200 Connected\r\nContent-Length: 7\r\n\r\n\x16\x03\x01",
     .expect = "begin start:407 name:Content-Length header:Content-Length:1 closing "
               "head:length+keep end:1 begin start:200 name:Content-Length "
               "header:Content-Length:7 closing head:tunnel end:0"},
};

#define HTTP1_SAMPLES (sizeof http1_samples / sizeof http1_samples[0])

#endif
