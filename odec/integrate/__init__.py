"""odeint and odeint_adjoint: functions of one's own as right-hand sides, with torchdiffeq's arguments."""
