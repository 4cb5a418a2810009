<?php
// SPDX-License-Identifier: Apache-2.0
// What `php -S` answers in the tests: the path says how.
header_remove('X-Powered-By');
switch ($_SERVER['SCRIPT_NAME']) {
    case '/hello':
        echo "hello\n";
        break;
    case '/post':
        echo strlen(file_get_contents('php://input')), "\n";
        break;
    case '/flush':
        for ($i = 0; $i < 5; $i++) {
            echo str_repeat('x', 1000), "\n";
            flush();
        }
        break;
    case '/ask':
        echo file_get_contents("http://127.0.0.1:{$_GET['port']}/hello");
        break;
    default:
        http_response_code(404);
        echo "no such page\n";
}
