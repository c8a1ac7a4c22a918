"""What an RNN with shared weights can compute: machines compiled into tied cells."""
