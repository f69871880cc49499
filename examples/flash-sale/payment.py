"""Payment, in Python with pika: `python payment.py URL LEDGER`.

Takes orders one by one, refuses a currency that it does not know, writes each other order into the ledger (order id, amount,
"redelivered" or "first"), and only then acknowledges it.
"""

import json
import sys
from decimal import Decimal

import pika

url, ledger_path = sys.argv[1:3]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.basic_qos(prefetch_count=50)
ledger = open(ledger_path, "a", buffering=1)


def handle(channel, method, properties, body):
    order = json.loads(body, parse_float=Decimal)["payload"]
    if order["currency"] != "IDR":
        channel.basic_nack(method.delivery_tag, requeue=False)
        return
    redelivered = "redelivered" if method.redelivered else "first"
    ledger.write("%s\t%s\t%s\n" % (order["orderId"], order["totalAmount"], redelivered))
    channel.basic_ack(method.delivery_tag)


channel.basic_consume("flash-sale.payment", handle)
print("payment is open", flush=True)
channel.start_consuming()
