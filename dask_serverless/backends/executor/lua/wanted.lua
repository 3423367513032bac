-- A call begins: whether anything waits for a container, or for the news that its last one is lost.
-- ARGV: call
-- Reply: {'over'} | {'ok', '1' if so}
return {'ok', (waiting() > 0 or came(ARGV[1]) > 0) and 1 or 0}
