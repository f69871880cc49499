"""What a Python application does with pika, against the broker at argv[2]: one scenario, named by argv[1].

A scenario that does not hold raises, and the exit code says so.
"""

import os
import sys
import pika


def connect():
    parameters = pika.URLParameters(sys.argv[2])
    parameters.socket_timeout = 20
    parameters.blocked_connection_timeout = 20
    return pika.BlockingConnection(parameters)


def confirmed():
    """Publishes with confirms, consumes with manual acknowledgements, in order."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("pika-orders", durable=True)
    for number in range(300):
        channel.basic_publish("", "pika-orders", str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
    channel.basic_qos(prefetch_count=25)
    received = []
    for method, properties, body in channel.consume("pika-orders", inactivity_timeout=20):
        assert method is not None, "no message came in time"
        assert properties.delivery_mode == 2
        received.append(int(body))
        channel.basic_ack(method.delivery_tag)
        if len(received) == 300:
            break
    channel.cancel()
    assert received == list(range(300))
    assert channel.queue_declare("pika-orders", passive=True).method.message_count == 0
    connection.close()


def redelivery():
    """An unsettled message comes again after the connection was cut."""
    child = os.fork()
    if child == 0:
        channel = connect().channel()
        channel.confirm_delivery()
        channel.queue_declare("pika-redelivery", durable=True)
        channel.basic_publish("", "pika-redelivery", "once more", pika.BasicProperties(delivery_mode=2))
        method, _, _ = channel.basic_get("pika-redelivery")
        os._exit(0 if method is not None and not method.redelivered else 1)
    assert os.waitpid(child, 0)[1] == 0
    connection = connect()
    other = connection.channel()
    for method, _, body in other.consume("pika-redelivery", inactivity_timeout=20):
        assert method is not None, "the message did not come again"
        assert body == b"once more" and method.redelivered
        other.basic_ack(method.delivery_tag)
        break
    other.cancel()
    connection.close()


def dead_letters():
    """A rejected message is in the dead letter queue, with its history."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("pika-dead", "fanout")
    channel.queue_declare("pika-dead-letters", durable=True)
    channel.queue_bind("pika-dead-letters", "pika-dead")
    channel.queue_declare("pika-work", durable=True, arguments={"x-dead-letter-exchange": "pika-dead"})
    channel.basic_publish("", "pika-work", "bad", pika.BasicProperties(headers={"tenant": "a"}, message_id="m-1"))
    method, _, _ = channel.basic_get("pika-work")
    channel.basic_nack(method.delivery_tag, requeue=False)
    for method, properties, body in channel.consume("pika-dead-letters", inactivity_timeout=20):
        assert method is not None, "the dead letter did not come"
        death = properties.headers["x-death"][0]
        assert properties.message_id == "m-1" and properties.headers["tenant"] == "a"
        assert (death["reason"], death["queue"], death["count"]) == ("rejected", "pika-work", 1)
        assert death["routing-keys"] == ["pika-work"]
        channel.basic_ack(method.delivery_tag)
        break
    channel.cancel()
    connection.close()


def large():
    """A mebibyte, which is larger than a frame."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("pika-large", durable=True)
    body = os.urandom(1 << 20)
    channel.basic_publish("", "pika-large", body, pika.BasicProperties(delivery_mode=2))
    _, _, got = channel.basic_get("pika-large", auto_ack=True)
    assert got == body
    connection.close()


def topic():
    """Routes by topic."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("pika-topic", "topic", auto_delete=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "pika-topic", "order.*.created")
    for key in ["order.eu.created", "order.eu.paid", "order.us.created", "order.created"]:
        channel.basic_publish("pika-topic", key, "")
    keys = []
    for _ in range(2):
        method, _, _ = channel.basic_get(queue, auto_ack=True)
        keys.append(method.routing_key)
    assert keys == ["order.eu.created", "order.us.created"]
    assert channel.basic_get(queue, auto_ack=True)[0] is None
    connection.close()


def mandatory():
    """A mandatory message that nobody takes is an error at the sender."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        channel.basic_publish("", "pika-nobody", "back", mandatory=True)
    except pika.exceptions.UnroutableError as error:
        assert error.messages[0].body == b"back"
    else:
        raise AssertionError("the message was not returned")
    connection.close()


def refused():
    """A refused publish (a full queue) is an error at the sender; a missing queue closes the channel only."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("pika-full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}, durable=True)
    channel.queue_purge("pika-full")
    channel.basic_publish("", "pika-full", "1")
    try:
        channel.basic_publish("", "pika-full", "2")
    except pika.exceptions.NackError:
        pass
    else:
        raise AssertionError("the publish was not refused")
    try:
        channel.queue_declare("pika-missing", passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        assert error.reply_code == 404
    other = connection.channel()
    assert other.queue_declare("pika-full", passive=True).method.message_count == 1
    connection.close()


def fill():
    """The first half of the restart: durable messages are confirmed."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("pika-kept", durable=True)
    for number in range(200):
        channel.basic_publish("", "pika-kept", str(number), pika.BasicProperties(delivery_mode=2))
    connection.close()


def drain():
    """The second half: they are all there, in order."""
    connection = connect()
    channel = connection.channel()
    received = []
    for method, _, body in channel.consume("pika-kept", inactivity_timeout=20):
        assert method is not None, "only %d messages came" % len(received)
        received.append(int(body))
        channel.basic_ack(method.delivery_tag)
        if len(received) == 200:
            break
    channel.cancel()
    assert received == list(range(200))
    connection.close()


globals()[sys.argv[1]]()
