"""Explicit Runge–Kutta methods: one literal each. Adding one here is all it takes."""

from odec.methods.high_order import HIGH_ORDER
from odec.methods.interpolant import hermite, nested, powers
from odec.methods.tableau import Tableau, tableau

EXPLICIT: tuple[Tableau, ...] = (
    tableau("euler", 1, "", "1", "Euler 1768; Hairer, Nørsett & Wanner I, II.1"),
    tableau("midpoint", 2, "1/2", "0 1", "Runge 1895; Hairer, Nørsett & Wanner I, II.1"),
    tableau("heun2", 2, "1", "1/2 1/2", "explicit trapezoid; Hairer, Nørsett & Wanner I, II.1"),
    tableau("ralston2", 2, "2/3", "1/4 3/4", "Ralston, Math. Comp. 16 (1962) 431–437"),
    tableau(
        "heun21", 2, "1", "1/2 1/2", "heun2 with Euler's method embedded", embedded="1", dense=hermite(2)
    ),
    tableau(
        "fehlberg2",
        2,
        "1/2; 1/256 255/256",
        "1/512 255/256 1/512",
        "Fehlberg, NASA TR R-315 (1969), RK1(2)",
        embedded="1/256 255/256",
        margin=64,  # without it the error of x_next is larger, on x' = λx where |hλ| > 0.012; now where > 0.6
        dense=hermite(2),
    ),
    tableau("heun3", 3, "1/3; 0 2/3", "1/4 0 3/4", "Heun 1900; Hairer, Nørsett & Wanner I, table II.1.1"),
    tableau("ssprk3", 3, "1; 1/4 1/4", "1/6 1/6 2/3", "Shu & Osher, J. Comput. Phys. 77 (1988) 439–471"),
    tableau(
        "bosh3",
        3,
        "1/2; 0 3/4",
        "2/9 1/3 4/9",
        "Bogacki & Shampine, Appl. Math. Lett. 2 (1989) 321–325",
        embedded="7/24 1/4 1/3 1/8",
        dense=hermite(3),
    ),
    tableau(
        "rk4",
        4,
        "1/2; 0 1/2; 0 0 1",
        "1/6 1/3 1/3 1/6",
        "Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2",
    ),
    tableau(
        "rk4_38",
        4,
        "1/3; -1/3 1; 1 -1 1",
        "1/8 3/8 3/8 1/8",
        "Kutta 1901, the 3/8 rule; Hairer, Nørsett & Wanner I, table II.1.2",
    ),
    tableau(
        "dopri5",
        5,
        """1/5;
           3/40 9/40;
           44/45 -56/15 32/9;
           19372/6561 -25360/2187 64448/6561 -212/729;
           9017/3168 -355/33 46732/5247 49/176 -5103/18656""",
        "35/384 0 500/1113 125/192 -2187/6784 11/84",
        "Dormand & Prince, J. Comput. Appl. Math. 6 (1980) 19–26",
        embedded="5179/57600 0 7571/16695 393/640 -92097/339200 187/2100 1/40",
        dense=nested(
            4,
            """-12715105075/11282082432 0 87487479700/32700410799 -10690763975/1880347072
               701980252875/199316789632 -1453857185/822651844 69997945/29380423""",
            "Shampine, Math. Comp. 46 (1986) 135–150; Hairer, Nørsett & Wanner I, II.6 (DOPRI5)",
        ),
    ),
    tableau(
        "tsit5",
        5,
        """0.161;
           -0.008480655492356989 0.335480655492357;
           2.8971530571054935 -6.359448489975075 4.3622954328695815;
           5.325864828439257 -11.748883564062828 7.4955393428898365 -0.09249506636175525;
           5.86145544294642 -12.92096931784711 8.159367898576159 -0.071584973281401 -0.028269050394068383""",
        "0.09646076681806523 0.01 0.4798896504144996 1.379008574103742 -3.290069515436081 2.324710524099774",
        "Tsitouras, Comput. Math. Appl. 62 (2011) 770–775",
        nodes="0 0.161 0.327 0.9 0.9800255409045097 1",
        error="""-0.00178001105222577714 -0.0008164344596567469 0.007880878010261995 -0.1447110071732629
                 0.5823571654525552 -0.45808210592918697 0.015151515151515152""",
        tolerance="1e-14",
        dense=powers(
            4,
            """1 -2.763706197274826 2.9132554618219126 -1.0530884977290216;
               0 0.1317 -0.2234 0.1017;
               0 3.9302962368947516 -5.941033872131505 2.490627285651253;
               0 -12.411077166933676 30.33818863028232 -16.548102889244902;
               0 37.50931341651104 -88.1789048947664 47.37952196281928;
               0 -27.896526289197286 65.09189467479366 -34.87065786149661;
               0 1.5 -4 2.5""",
            "Tsitouras, Comput. Math. Appl. 62 (2011) 770–775, section 4",
            tolerance="1e-12",
        ),
    ),
    *HIGH_ORDER,
)
