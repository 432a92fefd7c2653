# Makes calls from inside a pod, each on a connection of its own. In Perl, as every
# image that is made of Debian has it, the storage's too.
#
# Reads a call a line: the port to begin at (0: any), host, port, 1 where the server
# speaks first or else 0, how many bytes of an answer are enough (0: all until the
# connection ends), and what is sent.
# Writes for each a line, its fields between tabs: this end's address and port, what came
# before anything was sent, what came after, and how it ended. Bytes are in hexadecimal.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVTIMEO);

my $SECONDS = 5;    # for one answer; a proxy that denies takes some 10 ms

# Returns what comes until there is enough of it, and how that ended.
sub receive {
    my ($connection, $enough) = @_;
    my $received = '';
    while (!$enough || length $received < $enough) {
        my $count = sysread $connection, $received, 65536, length $received;
        return ($received, "$!") if !defined $count;
        return ($received, 'closed') if !$count;
    }
    return ($received, 'answered');
}

local $SIG{PIPE} = 'IGNORE';
while (my $line = <STDIN>) {
    my ($from, $host, $port, $greets, $enough, $request) = split ' ', $line;
    my ($greeting, $answer, $end, $local) = ('', '', '', '');
    my $connection =
      IO::Socket::INET->new(LocalPort => $from, PeerHost => $host, PeerPort => $port,
        Timeout => $SECONDS);
    if ($connection) {
        $connection->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', $SECONDS, 0);
        $local = $connection->sockhost . ':' . $connection->sockport;
        ($greeting, $end) = receive($connection, 1) if $greets;
        if ($greeting ne '' || !$greets) {
            syswrite $connection, pack 'H*', $request;
            ($answer, $end) = receive($connection, $enough);
        }
        close $connection;
    } else {
        $end = "not connected: $@";
    }
    print join("\t", $local, unpack('H*', $greeting), unpack('H*', $answer), $end), "\n";
}
